//! One macro for the crate's closed enums: every layer, base, conditioner and univariate map of the
//! crate, each list with its configurations.

/// Declares an enum of modules and the enum of their configurations, of one unnamed field per
/// variant, from one line per variant:
///
/// - a `From` for each variant of both, and the list of names,
/// - the display of whichever variant a value holds, and the check of whichever configuration,
/// - a macro `$on_each!(value, inner => expression)` that runs an expression on it, and a macro
///   `$on_config!(config, inner => expression)` likewise.
macro_rules! closed_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident as $on_each:ident($d:tt) {
            $($(#[$variant_meta:meta])* $variant:ident($inner:ty) from $config:ty;)+
        }
        $(#[$config_meta:meta])*
        pub enum $config_name:ident as $on_config:ident;
    ) => {
        $(#[$meta])*
        #[derive(burn::module::Module, Debug)]
        #[module(custom_display)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant($inner),)+
        }

        $(#[$config_meta])*
        #[derive(burn::config::Config, Debug)]
        #[non_exhaustive]
        pub enum $config_name {
            $($(#[$variant_meta])* $variant($config),)+
        }

        impl $name {
            /// The names of all variants. They are part of a saved model's paths.
            pub const NAMES: &[&str] = &[$(stringify!($variant)),+];
        }

        impl burn::module::ModuleDisplay for $name {
            fn format(&self, settings: burn::module::DisplaySettings) -> String {
                match self {
                    $(Self::$variant(inner) => inner.format(settings),)+
                }
            }
        }

        $(
            impl From<$inner> for $name {
                fn from(inner: $inner) -> Self {
                    Self::$variant(inner)
                }
            }

            impl From<$config> for $config_name {
                fn from(config: $config) -> Self {
                    Self::$variant(config)
                }
            }
        )+

        impl $config_name {
            /// Whether every value is in its range.
            ///
            /// # Errors
            ///
            /// [`Error::Config`](crate::Error::Config) with a sentence that names the value and the
            /// rule.
            pub fn validate(&self) -> Result<(), crate::Error> {
                match self {
                    $(Self::$variant(config) => config.validate(),)+
                }
            }
        }

        macro_rules! $on_each {
            ($d value:expr, $d inner:ident => $d body:expr) => {
                match $d value {
                    $($name::$variant($d inner) => $d body,)+
                }
            };
        }

        macro_rules! $on_config {
            ($d value:expr, $d inner:ident => $d body:expr) => {
                match $d value {
                    $($config_name::$variant($d inner) => $d body,)+
                }
            };
        }
    };
}

pub(crate) use closed_enum;
