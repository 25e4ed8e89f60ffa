//! [`TableReport`]: what fitting a table did, and how good the model is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::train::FitReport;

/// What [`fit_table`](crate::table::fit_table) did. Negative log-likelihoods (NLL) are of the held-out
/// rows, in nats per row and in the units of the table; integers are dequantised by one draw of
/// noise, which makes them an upper bound on average. The epoch with the best of them is the one that was
/// kept, so they are somewhat too good where few rows are held out: for a figure to quote, score rows
/// that the fit has not seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableReport {
    /// The mean NLL under the model.
    pub nll: f64,
    /// Its standard error; `None` if one row is held out.
    pub nll_error: Option<f64>,
    /// The mean NLL under the normal fitted to the modelled columns as they are.
    pub gaussian_nll: Option<f64>,
    /// The mean NLL under a Gaussian copula.
    pub copula_nll: Option<f64>,
    /// The rows that were trained on; from a source, in one pass.
    pub n_train: usize,
    /// The rows that were left out, as a value was missing or not finite.
    pub n_dropped: usize,
    /// What to know of the columns: heavy tails, lumps, what others determine.
    pub notes: Vec<String>,
    /// The training, whose NLLs are those of the standardised columns.
    pub fit: FitReport,
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fit = &self.fit;
        write!(f, "{} rows trained on, {} held out", self.n_train, fit.n_validation)?;
        if self.n_dropped > 0 {
            write!(f, ", {} left out (a value is missing)", self.n_dropped)?;
        }
        write!(
            f,
            "; {} parameters\n{} epochs in {:.1} s, {:.0} rows/s: {}; best after epoch {}",
            fit.n_parameters,
            fit.history.len(),
            fit.seconds,
            fit.rows_per_second,
            fit.stop_reason,
            fit.best_epoch
        )?;
        if fit.skipped_steps > 0 {
            write!(f, "; {} steps were not finite and were skipped", fit.skipped_steps)?;
        }
        write!(f, "\nheld-out NLL {:.4}", self.nll)?;
        if let Some(error) = self.nll_error {
            write!(f, " ± {error:.4}")?;
        }
        let per_feature = self.nll / fit.d_features as f64;
        write!(f, " nats per row, {per_feature:.4} per modelled column")?;
        for (what, nll) in
            [("fitted Gaussian", self.gaussian_nll), ("Gaussian copula", self.copula_nll)]
        {
            if let Some(nll) = nll {
                write!(f, "\na {what} has {nll:.4}, {:+.4} beside the model", nll - self.nll)?;
            }
        }
        for note in &self.notes {
            write!(f, "\n{note}")?;
        }
        for warning in &fit.warnings {
            write!(f, "\nwarning: {warning}")?;
        }
        Ok(())
    }
}
