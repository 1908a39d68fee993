/* A journal in one buffer that realloc doubles when it is full; a request appends a line. WRAP MiB: begins again there.
 * It also starts a thread per job, which it does not join with JOIN=0. */
#include "pace.h"
#include <pthread.h>

static void *job(void *argument) {
    char stack[4096];
    memset(stack, 1, sizeof stack);
    usleep(1000);
    return argument;
}

int main(void) {
    size_t size = 1 << 16, used = 0, wrap = setting("WRAP", 0) * (1 << 20), bytes = setting("BYTES", 4000);
    int join = setting("JOIN", 1);
    char *journal = malloc(size);
    while (next_request(setting("RATE", 20))) {
        if (wrap && used + bytes > wrap) used = 0;
        if (used + bytes > size) journal = realloc(journal, size *= 2);
        memset(journal + used, 'j', bytes);
        used += bytes;
        pthread_t thread;
        pthread_create(&thread, NULL, job, NULL);
        if (join) pthread_join(thread, NULL);
    }
}
