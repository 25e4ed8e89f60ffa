//! One list of checks for each kind of part.

/// Declares the checks of a kind of part, which are methods of `$subject`, in one list: a method
/// `all` that gives them with their names, a method `check_all`, and an exported macro that makes a
/// `#[test]` of each.
macro_rules! list_of_laws {
    (
        $d:tt $subject:ident<$part:ident: $bound:path>, $tests:ident;
        $($law:ident)+
    ) => {
        impl<$part: $bound> $subject<$part> {
            /// Every check with its name, in the order of [`check_all`](Self::check_all).
            pub fn all() -> Vec<(&'static str, fn(&Self, &burn::tensor::Device))> {
                vec![$((stringify!($law), Self::$law)),+]
            }

            /// All checks on one device.
            ///
            /// # Panics
            ///
            /// If one fails.
            pub fn check_all(&self, device: &burn::tensor::Device) {
                $(self.$law(device);)+
            }
        }

        /// Makes a `#[test]` of every check, from an expression that gives the case and one that
        /// gives the device.
        #[macro_export]
        macro_rules! $tests {
            ($d laws:expr, $d device:expr) => {
                $(
                    #[test]
                    fn $law() {
                        ($d laws).$law(&$d device);
                    }
                )+
            };
        }
    };
}

pub(super) use list_of_laws;
