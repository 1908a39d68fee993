/* Long-lived and short-lived blocks of growing variety of sizes from one heap: it grows by fragmentation and then no more. */
#include "pace.h"

enum { SLOTS = 6000 };

int main(void) {
    static char *slots[SLOTS];
    long spread = 500;
    while (next_request(setting("RATE", 40))) {
        if (spread < 6000) spread += 5;
        for (int index = 0; index < 20; index++) {
            size_t slot = rand() % SLOTS, bytes = 16 + rand() % spread;
            free(slots[slot]);
            slots[slot] = memset(malloc(bytes), 1, bytes);
        }
    }
}
