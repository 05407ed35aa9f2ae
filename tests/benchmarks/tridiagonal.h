/* The lowest eigenvalue of a symmetric tridiagonal matrix, by bisection: alpha[0..n-1] on its diagonal, beta[1..n-1]
   beside it. */

static double lowest(int n, const double *alpha, const double *beta)
{
    double low = -1e4, high = 1e4;
    while (high - low > 1e-12) {
        double x = (low + high) / 2, d = alpha[0] - x;
        int below = d < 0;
        if (x == low || x == high) break;
        for (int k = 1; k < n; k++) {
            d = alpha[k] - x - beta[k] * beta[k] / (d == 0 ? 1e-300 : d);
            below += d < 0;
        }
        if (below) high = x; else low = x;
    }
    return (low + high) / 2;
}
