// Holds so many MiB and sleeps: near a limit, and flat, it is looked at as often as anything ever is.
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  size_t size = (size_t)(argc > 1 ? atoi(argv[1]) : 16) << 20;
  char *held = malloc(size);
  if (!held) return 1;
  for (size_t at = 0; at < size; at += 512) ((volatile char *)held)[at] = 1;
  for (;;) {
    pause();
    ((volatile char *)held)[0]++;
  }
}
