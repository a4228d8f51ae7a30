//! Enums of IANA code points, written as tables.
//!
//! A registry row is one line: name, number, label. Numbers without a row are kept in `Unknown`, as RFC 7296 asks for
//! types that a receiver must skip or echo.

/// Defines an enum of code points with `from_code`, `code`, and a `Display` that gives the row's label, or the number
/// for codes without a row.
macro_rules! code_points {
    ($(#[$meta:meta])* $name:ident: $int:ty { $($variant:ident = $code:literal => $label:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(
                #[doc = concat!($label, " (", stringify!($code), ").")]
                $variant,
            )*
            /// A number without a name here; never one that has a variant.
            Unknown($int),
        }

        impl $name {
            /// The value for a number from the wire.
            pub const fn from_code(code: $int) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }

            /// The number on the wire.
            pub const fn code(self) -> $int {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown(code) => code,
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $(Self::$variant => f.pad($label),)*
                    Self::Unknown(code) => write!(f, "{code}"),
                }
            }
        }
    };
}
