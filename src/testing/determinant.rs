//! `log |det|` of a small matrix, on the host.

/// `log |det A|` of a square matrix, by LU decomposition with partial pivoting.
pub(super) fn log_abs_det(mut matrix: Vec<Vec<f64>>) -> f64 {
    let n = matrix.len();
    let mut log_det = 0.0;
    for k in 0..n {
        let pivot = (k..n)
            .max_by(|&i, &j| matrix[i][k].abs().total_cmp(&matrix[j][k].abs()))
            .expect("there is a row left");
        matrix.swap(k, pivot);
        log_det += matrix[k][k].abs().ln();
        let (done, below) = matrix.split_at_mut(k + 1);
        for row in below {
            let factor = row[k] / done[k][k];
            for (value, pivot) in row[k..].iter_mut().zip(&done[k][k..]) {
                *value -= factor * pivot;
            }
        }
    }
    log_det
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn a_known_determinant() {
        let matrix = vec![vec![0.0, 2.0, 1.0], vec![3.0, -1.0, 0.5], vec![1.0, 4.0, -2.0]];
        // 0(2 - 2) - 2(-6 - 0.5) + 1(12 + 1)
        assert_abs_diff_eq!(log_abs_det(matrix), 26f64.ln(), epsilon = 1e-14);
    }

    #[test]
    fn a_singular_matrix_has_no_volume() {
        assert_eq!(log_abs_det(vec![vec![1.0, 2.0], vec![2.0, 4.0]]), f64::NEG_INFINITY);
    }
}
