/* How many numbers a second one core adds to float32[12500] at places read from a list of uint16, in rows of 1250: what
   delivering Brunel's spikes comes down to. Prints two rates, places in random and in ascending order within a row. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TARGETS = 12500, ROW = 1250, ROWS = 12500, REPEATS = 7 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

static int ascending(const void *a, const void *b) { return *(const uint16_t *)a - *(const uint16_t *)b; }

int main(void) {
    const long places = (long)ROW * ROWS;
    uint16_t *place = malloc(places * sizeof *place);
    static float input[TARGETS];
    uint64_t draw = 20260101;
    for (long i = 0; i < places; i++) {
        draw = draw * 6364136223846793005u + 1442695040888963407u;
        place[i] = (draw >> 33) % TARGETS;
    }
    for (int sorted = 0; sorted < 2; sorted++) {
        double best = 1e9;
        for (long row = 0; sorted && row < ROWS; row++) qsort(place + row * ROW, ROW, sizeof *place, ascending);
        for (int repeat = 0; repeat < REPEATS; repeat++) {
            double start = seconds();
            for (long i = 0; i < places; i++) input[place[i]] += 0.1f;
            double took = seconds() - start;
            if (took < best) best = took;
        }
        printf("%g\n", places / best);
    }
    return input[0] < 0; /* so that the sums are made */
}
