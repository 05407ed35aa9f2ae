/* Sums over the subsets of the columns of a matrix; nqs_native_body.h includes this
 * file once per variant.
 *
 * A subset is a number whose bit j stands for column j.  The subsets of the first
 * three columns are the lanes of a block, those of the others number the blocks.
 * What a further column adds to a block comes from one earlier block in all lanes
 * at once; what the first three add within the block is a linear map that depends
 * on the number of the others. */

/* Lane: how many of the first three columns it has. */
#define N_LOW(lane) (((lane) & 1) + ((lane) >> 1 & 1) + ((lane) >> 2))

/* map[from, lane]: what lane `from` of a block before the first three columns adds
 * to every lane, with the three rows from `one` on */
static inline void NQS_NAME(map_within)(const double *one, ptrdiff_t step, double *map)
{
    const double *b = one + step, *c = b + step;
    double *from = map;

    memset(map, 0, sizeof(double) * NQS_LANES * (NQS_LANES - 1));
    from[1] = one[0];
    from[2] = one[1];
    from[4] = one[2];
    from[3] = b[0] * from[2] + b[1] * from[1];
    from[5] = b[0] * from[4] + b[2] * from[1];
    from[6] = b[1] * from[4] + b[2] * from[2];
    from[7] = c[0] * from[6] + c[1] * from[5] + c[2] * from[3];
    from = map + 1 * NQS_LANES;
    from[3] = b[1];
    from[5] = b[2];
    from[7] = c[2] * b[1] + c[1] * b[2];
    from = map + 2 * NQS_LANES;
    from[3] = b[0];
    from[6] = b[2];
    from[7] = c[2] * b[0] + c[0] * b[2];
    from = map + 4 * NQS_LANES;
    from[5] = b[0];
    from[6] = b[1];
    from[7] = c[1] * b[0] + c[0] * b[1];
    map[3 * NQS_LANES + 7] = c[2];
    map[5 * NQS_LANES + 7] = c[1];
    map[6 * NQS_LANES + 7] = c[0];
}

/* A block before what its first three columns add, to `sums`; returns it afterwards. */
__attribute__((always_inline)) static inline void
NQS_NAME(add_within)(vec *block, const double *map, double *sums)
{
    double before[NQS_LANES];
    for (int part = 0; part < PARTS; part++)
        store(before + part * NQS_WIDTH, block[part]);
    for (int part = 0; part < PARTS; part++) {
        const double *column = map + part * NQS_WIDTH;
        vec even = before[0] * load(column), odd = before[1] * load(column + NQS_LANES);
        for (int from = 2; from < NQS_LANES - 2; from += 2) {
            even += before[from] * load(column + from * NQS_LANES);
            odd += before[from + 1] * load(column + (from + 1) * NQS_LANES);
        }
        even += before[NQS_LANES - 2] * load(column + (NQS_LANES - 2) * NQS_LANES);
        block[part] += even + odd;
        store(sums + part * NQS_WIDTH, block[part]);
    }
}

/* sums[S] = permanent of the first |S| of some rows with the columns S; row s is
 * at first + s step.  With `products`, for every number h of columns beyond the
 * first three, every such column j and every lane products[h - 1, j, lane] is the
 * sum of opposite[not S] sums[S without j] over the sets S of h. */
__attribute__((always_inline)) static inline void
NQS_NAME(sum_subsets)(const double *first, ptrdiff_t step, int size, double *sums,
                      const double *opposite, double *products)
{
    enum { N = NQS_LANES, MAP = NQS_LANES * (NQS_LANES - 1) };
    const int n_high = size - 3;
    const ptrdiff_t stride = n_high * N;
    const size_t last = ((size_t)1 << n_high) - 1;
    double table[NQS_MAX_HIGH * NQS_MAX_HIGH * N], maps[(NQS_MAX_HIGH + 1) * MAP];
    mask backwards;

    for (int lane = 0; lane < NQS_WIDTH; lane++)
        backwards[lane] = NQS_WIDTH - 1 - lane;
    /* table[h - 1, j, lane]: column j of the row that a set of this size adds */
    for (int h = 0; h < n_high; h++)
        for (int j = 0; j < n_high; j++) {
            const double *row = first + h * step + 3 + j;
            double *entry = table + h * stride + j * N;
            for (int lane = 0; lane < N; lane++)
                entry[lane] = row[N_LOW(lane) * step];
        }
    for (int h = 0; h <= n_high; h++)
        NQS_NAME(map_within)(first + h * step, step, maps + h * MAP);
    /* four blocks at a time, with and without the first two columns of `table` */
    for (size_t high = 0; high <= last; high += 4) {
        const int h = __builtin_popcountl(high);
        const double *none = table + (h - 1) * stride, *one = none + stride, *two = one + stride;
        const double *map = maps + h * MAP;
        double *to = sums + high * N;
        vec a[PARTS], b[PARTS], c[PARTS], d[PARTS], other[4][PARTS];
        for (int part = 0; part < PARTS; part++) {
            a[part] = b[part] = c[part] = d[part] = (vec){0};
            for (int block = 0; products && block < 4; block++)
                other[block][part] = __builtin_shuffle(
                    load(opposite + (last ^ (high + block)) * N + N - (part + 1) * NQS_WIDTH), backwards);
        }
        if (high == 0)
            a[0][0] = 1;
        for (size_t left = high; left; left &= left - 1) {
            const ptrdiff_t j = __builtin_ctzl(left) * N;
            const double *from = sums + (high ^ (left & -left)) * N;
            for (int part = 0; part < PARTS; part++) {
                const ptrdiff_t at = part * NQS_WIDTH, lane = j + at;
                const vec of_a = load(from + at), of_b = load(from + N + at);
                const vec of_c = load(from + 2 * N + at), of_d = load(from + 3 * N + at);
                const vec row = load(one + lane);
                a[part] += load(none + lane) * of_a;
                b[part] += row * of_b;
                c[part] += row * of_c;
                d[part] += load(two + lane) * of_d;
                if (products) {
                    double *sum = products + (h - 1) * stride + lane;
                    store(sum, load(sum) + other[0][part] * of_a);
                    store(sum + stride, load(sum + stride) + (other[1][part] * of_b + other[2][part] * of_c));
                    store(sum + 2 * stride, load(sum + 2 * stride) + other[3][part] * of_d);
                }
            }
        }
        NQS_NAME(add_within)(a, map, to);
        for (int part = 0; part < PARTS; part++) {
            b[part] += load(one + part * NQS_WIDTH) * a[part];
            c[part] += load(one + N + part * NQS_WIDTH) * a[part];
        }
        NQS_NAME(add_within)(b, map + MAP, to + N);
        NQS_NAME(add_within)(c, map + MAP, to + 2 * N);
        for (int part = 0; part < PARTS; part++)
            d[part] += load(two + part * NQS_WIDTH) * c[part] + load(two + N + part * NQS_WIDTH) * b[part];
        NQS_NAME(add_within)(d, map + 2 * MAP, to + 3 * N);
        for (int part = 0; products && part < PARTS; part++) {
            double *sum = products + h * stride + part * NQS_WIDTH;
            store(sum, load(sum) + other[1][part] * a[part]);
            store(sum + N, load(sum + N) + other[2][part] * a[part]);
            store(sum + stride, load(sum + stride) + other[3][part] * c[part]);
            store(sum + stride + N, load(sum + stride + N) + other[3][part] * b[part]);
        }
    }
}

static double NQS_NAME(permanent)(const double *matrix, int size, double *heads)
{
    NQS_NAME(sum_subsets)(matrix, size, size, heads, NULL, NULL);
    return heads[((size_t)1 << size) - 1];
}

static void NQS_NAME(permanent_minors)(const double *matrix, int size, const double *heads,
                                       double *tails, double *minors)
{
    const int n_high = size - 3;
    const size_t last = ((size_t)1 << n_high) - 1;
    double products[NQS_MAX_HIGH * NQS_MAX_HIGH * NQS_LANES], low[(NQS_MAX_HIGH + 1) * 3 * NQS_LANES];
    mask backwards;

    for (int lane = 0; lane < NQS_WIDTH; lane++)
        backwards[lane] = NQS_WIDTH - 1 - lane;
    memset(products, 0, sizeof(double) * n_high * n_high * NQS_LANES);
    memset(low, 0, sizeof(double) * (n_high + 1) * 3 * NQS_LANES);
    NQS_NAME(sum_subsets)(matrix + (size - 1) * size, -size, size, tails, heads, products);
    /* the same for the first three columns, a shift by 2^j lanes; lanes without j hold anything */
    for (int lane = 1; lane < NQS_LANES; lane++)
        for (int j = 0; j < 3; j++)
            if (lane >> j & 1)
                low[j * NQS_LANES + lane] += heads[last * NQS_LANES + NQS_LANES - 1 - lane] * tails[lane ^ 1 << j];
    for (size_t high = 1; high <= last; high++) {
        double *to = low + __builtin_popcountl(high) * 3 * NQS_LANES;
        for (int part = 0; part < PARTS; part++) {
            const vec other = __builtin_shuffle(
                load(heads + (last ^ high) * NQS_LANES + NQS_LANES - (part + 1) * NQS_WIDTH), backwards);
            const double *from = tails + high * NQS_LANES + part * NQS_WIDTH;
            for (int j = 0; j < 3; j++) {
                double *sum = to + j * NQS_LANES + part * NQS_WIDTH;
                store(sum, load(sum) + other * load(from - (1 << j)));
            }
        }
    }
    memset(minors, 0, sizeof(double) * size * size);
    /* sets of s columns end at row size - s */
    for (int h = 0; h <= n_high; h++)
        for (int lane = 0; lane < NQS_LANES; lane++) {
            double *row = minors + (size - h - N_LOW(lane)) * size;
            for (int j = 0; j < 3; j++)
                if (lane >> j & 1)
                    row[j] += low[(h * 3 + j) * NQS_LANES + lane];
            for (int j = 0; h > 0 && j < n_high; j++)
                row[3 + j] += products[((h - 1) * n_high + j) * NQS_LANES + lane];
        }
}

#undef N_LOW
