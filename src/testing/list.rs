//! What the checks of every kind of part share: one list of them, and the settings that pass on to
//! those of a flow.

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

/// The settings of a `$subject` that checks its part as a flow, by its field `laws`: those of [`Laws`],
/// passed on.
///
/// [`Laws`]: super::Laws
macro_rules! settings_of_laws {
    ($subject:ident<$part:ident: $bound:path>) => {
        impl<$part: $bound> $subject<$part> {
            /// As [`Laws::with_dtype`](super::Laws::with_dtype).
            #[must_use]
            pub fn with_dtype(mut self, dtype: burn::tensor::FloatDType) -> Self {
                self.laws = self.laws.with_dtype(dtype);
                self
            }

            /// As [`Laws::with_tolerance`](super::Laws::with_tolerance).
            #[must_use]
            pub fn with_tolerance(mut self, tolerance: f64) -> Self {
                self.laws = self.laws.with_tolerance(tolerance);
                self
            }

            /// As [`Laws::with_max_abs_input`](super::Laws::with_max_abs_input): of inputs, and of contexts or parameters.
            #[must_use]
            pub fn with_max_abs_input(mut self, max_abs_input: f64) -> Self {
                self.laws = self.laws.with_max_abs_input(max_abs_input);
                self
            }
        }
    };
}

pub(super) use {list_of_laws, settings_of_laws};
