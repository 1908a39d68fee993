/* Steady load: `while (next_request(20))` runs its body twenty times a second and tells the recorder the count. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long request_number;

static double uptime(void) {
    static struct timespec started;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!started.tv_sec) started = now;
    return now.tv_sec - started.tv_sec + (now.tv_nsec - started.tv_nsec) / 1e9;
}

static inline double setting(const char *name, double otherwise) {
    const char *value = getenv(name);
    return value ? atof(value) : otherwise;
}

static int next_request(double per_second) {
    static int progress = -2;
    if (progress == -2) progress = getenv("PROGRESS") ? open(getenv("PROGRESS"), O_WRONLY | O_CREAT, 0600) : -1;
    double early = request_number / per_second - uptime();
    if (early > 0) usleep(early * 1e6);
    char count[32];
    int length = snprintf(count, sizeof count, "%ld", request_number++);
    if (progress >= 0 && pwrite(progress, count, length, 0) < 0) perror("progress");
    return 1;
}
