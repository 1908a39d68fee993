/* What a command costs: usage OUT COMMAND... runs it with this program's stdin, stdout and stderr, and writes one line
 * to OUT: exit code, user and system microseconds, wall microseconds, peak RSS in KiB.
 *
 * Small and static on purpose: the peak RSS of a process counts what it was before its exec, which is us. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int main(int argc, char **argv) {
    if (argc < 3) return 64;
    long long began = now();
    pid_t child = fork();
    if (child == 0) {
        execv(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    struct rusage used;
    if (child < 0 || wait4(child, &status, 0, &used) != child) return 70;
    long long took = now() - began;
    FILE *out = fopen(argv[1], "w");
    if (!out) return 73;
    fprintf(out, "%d %lld %lld %lld %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            used.ru_utime.tv_sec * 1000000LL + used.ru_utime.tv_usec, used.ru_stime.tv_sec * 1000000LL + used.ru_stime.tv_usec, took,
            used.ru_maxrss);
    return fclose(out) != 0;
}
