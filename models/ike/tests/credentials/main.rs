//! Certificates, chains and AUTH payloads: made by our own authority, by OpenSSL and by strongSwan.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with the test")]

mod auth;
mod captured;
mod chain;
mod openssl;
mod store;
mod world;
