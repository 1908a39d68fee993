/* A table of names: an entry per request from START seconds on, strings of its own; at most MOST
 * (0: no bound) are kept. */
#include "pace.h"

struct entry { struct entry *next; char *name; };

int main(void) {
    double start = setting("START", 0), rate = setting("RATE", 50);
    long most = setting("MOST", 0), held = 0;
    size_t bytes = setting("BYTES", 500);
    struct entry *newest = NULL, *oldest = NULL;
    while (next_request(rate)) {
        if (uptime() < start) continue;
        struct entry *entry = calloc(1, sizeof *entry);
        char *name = malloc(bytes);
        memset(name, 'n', bytes - 1);
        name[bytes - 1] = 0;
        entry->name = strdup(name);
        free(name);
        if (newest) newest->next = entry;
        else oldest = entry;
        newest = entry;
        if (most && ++held > most) {
            struct entry *gone = oldest;
            oldest = gone->next;
            free(gone->name);
            free(gone);
        }
    }
}
