//! Part of ipseclab.
