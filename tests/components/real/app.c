// A command of the C library: arguments, environment, standard streams, files, clocks, randomness.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void try_open(const char* path) {
  const int file = open(path, O_RDONLY);
  printf("open %s %s\n", path, file < 0 ? strerror(errno) : "opened");
  if (file >= 0) close(file);
}

int main(int argc, char** argv) {
  printf("arguments %d %s\n", argc, argv[argc - 1]);
  printf("environment %s %s\n", getenv("NAME"), getenv("HOME") ? "leaked" : "empty");
  char line[100];
  printf("input %s\n", fgets(line, sizeof line, stdin));
  fprintf(stderr, "an error\n");
  struct timespec before, after, pause = {0, 1000000};
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&pause, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  printf("clocks %d %d\n", after.tv_sec > before.tv_sec || after.tv_nsec - before.tv_nsec >= 1000000, time(NULL) > 1700000000);
  unsigned char random[8] = {0}, none[8] = {0};
  printf("random %d %d\n", getentropy(random, sizeof random), memcmp(random, none, sizeof none) != 0);
  printf("mkdir %d %d\n", mkdir("/folder/a", 0700), mkdir("/folder/a", 0700));
  FILE* file = fopen("/folder/a/file", "w+");
  fprintf(file, "one\ntwo\n");
  fseek(file, 4, SEEK_SET);
  printf("read %s", fgets(line, sizeof line, file));
  fclose(file);
  struct stat info;
  printf("stat %d", stat("/folder/a/file", &info));
  printf(" %d %d\n", (int)info.st_size, S_ISREG(info.st_mode));
  printf("link %d\n", symlink("file", "/folder/a/link"));
  printf("rename %d\n", rename("/folder/a/file", "/folder/a/moved"));
  DIR* folder = opendir("/folder/a");
  int count = 0;
  while (readdir(folder)) ++count;
  closedir(folder);
  printf("entries %d\n", count);
  try_open("/folder/a/moved");
  try_open("/folder/a/link");
  try_open("/none");
  try_open("/folder/none");
  try_open("/folder/../etc/passwd");
  printf("remove %d %d %d\n", unlink("/folder/a/link"), unlink("/folder/a/moved"), rmdir("/folder/a"));
  printf("done\n");
  return 0;
}
