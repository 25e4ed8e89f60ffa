//! One macro for the crate's closed enums: [`Layer`](crate::Layer) over the flows,
//! [`Network`](crate::conditioner::Network) over the conditioners and
//! [`UnivariateMap`](crate::univariate::UnivariateMap) over the univariate maps.

/// Declares an enum with one unnamed field a variant, a `From` for each, and its list of names; and
/// a macro of the given name that runs an expression on whichever variant a value holds.
macro_rules! closed_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident as $on_each:ident($d:tt) {
            $($(#[$variant_meta:meta])* $variant:ident($inner:ty),)+
        }
    ) => {
        $(#[$meta])*
        #[derive(burn::module::Module, Debug)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant($inner),)+
        }

        impl $name {
            /// The names of all variants. They are part of a saved model's paths.
            pub const NAMES: &[&str] = &[$(stringify!($variant)),+];
        }

        $(
            impl From<$inner> for $name {
                fn from(inner: $inner) -> Self {
                    Self::$variant(inner)
                }
            }
        )+

        macro_rules! $on_each {
            ($d value:expr, $d inner:ident => $d body:expr) => {
                match $d value {
                    $($name::$variant($d inner) => $d body,)+
                }
            };
        }
    };
}

pub(crate) use closed_enum;
