/* A prefork master of SHARED MiB whose CHILDREN, after WAIT seconds, write to what they share with it: RATE MiB a second in
 * all. Nobody's RSS changes by that. Says when the whole has passed LIMIT MiB:
 *
 *     unshare SHARED CHILDREN RATE WAIT LIMIT */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void unshare_slowly(int child, int children, char *memory, size_t shared, double rate, double begin, size_t limit,
                           volatile size_t *copied) {
    size_t at = 0;
    int told = 0;
    for (size_t page = 0; page < shared; page += 4096) (void)*(volatile char *)(memory + page);
    for (;; usleep(2000)) {
        double age = now() - begin;
        size_t wanted = age > 0 ? (size_t)(age * rate) : 0, all = shared;
        for (; at < wanted && at < shared; at += 4096) memory[at] = 2;
        copied[child] = at;
        for (int other = 0; other < children; other++) all += copied[other];
        if (child == 0 && !told && all >= limit) {
            told = 1;
            fprintf(stderr, "unshare: passed at %.3f\n", now());
        }
    }
}

int main(int count, char **words) {
    if (count != 6) return 2;
    size_t shared = (size_t)atol(words[1]) << 20, limit = (size_t)atol(words[5]) << 20;
    int children = atoi(words[2]);
    if (children < 1 || children > 512) return 2;
    double rate = atof(words[3]) * (1 << 20) / children;
    char *memory = mmap(0, shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t *copied = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || copied == MAP_FAILED) return 1;
    memset(memory, 1, shared);
    double begin = now() + atof(words[4]);
    for (int child = 0; child < children; child++)
        if (fork() == 0) unshare_slowly(child, children, memory, shared, rate, begin, limit, copied);
    while (wait(0) > 0) {}
    return 0;
}
