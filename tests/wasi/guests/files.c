// Ordinary use of files through the C library.
#include <dirent.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "check.h"

static void reading_and_writing(void) {
  char bytes[100] = {0};
  int fd = open("/f", O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  struct iovec out[3] = {{"one ", 4}, {"", 0}, {"two", 3}};
  CHECK(writev(fd, out, 3) == 7);
  CHECK(lseek(fd, 0, SEEK_CUR) == 7);
  CHECK(pwrite(fd, "TWO", 3, 4) == 3);
  CHECK(lseek(fd, 0, SEEK_CUR) == 7);
  CHECK(pread(fd, bytes, 100, 2) == 5 && strcmp(bytes, "e TWO") == 0);
  CHECK(lseek(fd, -3, SEEK_END) == 4);
  CHECK(read(fd, bytes, 100) == 3 && memcmp(bytes, "TWO", 3) == 0);
  CHECK(read(fd, bytes, 100) == 0);
  CHECK(lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL);
  CHECK(lseek(fd, 100, SEEK_SET) == 100 && write(fd, "x", 1) == 1);
  CHECK(pread(fd, bytes, 1, 50) == 1 && bytes[0] == 0);
  CHECK(ftruncate(fd, 3) == 0);
  struct stat s;
  CHECK(fstat(fd, &s) == 0 && s.st_size == 3 && S_ISREG(s.st_mode) && s.st_nlink == 1);
  CHECK(posix_fallocate(fd, 0, 1000) == 0 && fstat(fd, &s) == 0 && s.st_size == 1000);
  CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED) == 0);
  CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
  CHECK(!isatty(fd) && errno == ENOTTY);
  CHECK(close(fd) == 0 && close(fd) == -1 && errno == EBADF);

  fd = open("/f", O_WRONLY | O_APPEND);
  CHECK(fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "end", 3) == 3);
  CHECK(stat("/f", &s) == 0 && s.st_size == 1003);
  CHECK(read(fd, bytes, 1) == -1);
  CHECK(close(fd) == 0);
  CHECK(open("/f", O_RDWR | O_CREAT | O_EXCL, 0644) == -1 && errno == EEXIST);
  CHECK(open("/none", O_RDONLY) == -1 && errno == ENOENT);
  CHECK(open("/f/x", O_RDONLY) == -1 && errno == ENOTDIR);
  CHECK(open("/", O_WRONLY) == -1 && errno == EISDIR);
  CHECK(open("/f", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
  char name[400];
  memset(name, 'n', sizeof name);
  name[0] = '/';
  name[399] = 0;
  CHECK(open(name, O_RDONLY | O_CREAT, 0644) == -1 && errno == ENAMETOOLONG);
  CHECK(unlink("/f") == 0 && unlink("/f") == -1 && errno == ENOENT);
}

static void names(void) {
  struct stat s;
  char target[100];
  CHECK(mkdir("/d", 0755) == 0 && mkdir("/d", 0755) == -1 && errno == EEXIST);
  CHECK(mkdir("/d/e/", 0755) == 0);
  FILE *f = fopen("/d/e/f", "w");
  CHECK(f != NULL && fputs("text", f) >= 0 && fclose(f) == 0);
  CHECK(rmdir("/d") == -1 && errno == ENOTEMPTY);
  CHECK(rename("/d/e/f", "/d/g") == 0 && rmdir("/d/e") == 0);
  CHECK(symlink("g", "/d/link") == 0);
  CHECK(readlink("/d/link", target, sizeof target) == 1 && target[0] == 'g');
  CHECK(lstat("/d/link", &s) == 0 && S_ISLNK(s.st_mode));
  CHECK(stat("/d/link", &s) == 0 && S_ISREG(s.st_mode) && s.st_size == 4);
  CHECK(open("/d/link", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
  CHECK(link("/d/g", "/d/h") == 0 && stat("/d/h", &s) == 0 && s.st_nlink == 2);
  struct timespec times[2] = {{1000000000, 1000}, {2000000000, 2000}};
  CHECK(utimensat(AT_FDCWD, "/d/g", times, 0) == 0);
  CHECK(stat("/d/h", &s) == 0 && s.st_mtim.tv_sec == 2000000000 && s.st_mtim.tv_nsec == 2000 &&
        s.st_atim.tv_sec == 1000000000);
  CHECK(unlink("/d/g") == 0 && unlink("/d/h") == 0 && unlink("/d/link") == 0);
  CHECK(unlink("/d") == -1 && rmdir("/d") == 0 && rmdir("/d") == -1 && errno == ENOENT);
}

// Removes files while it reads the directory, as rm -r does: none may be missed or seen twice.
static void directories(void) {
  enum { kFiles = 1000 };
  static char seen[kFiles];
  char name[100];
  CHECK(mkdir("/many", 0755) == 0);
  for (int i = 0; i < kFiles; ++i) {
    snprintf(name, sizeof name, "/many/%d", i);
    int fd = open(name, O_WRONLY | O_CREAT, 0644);
    CHECK(fd >= 0 && close(fd) == 0);
  }
  DIR *d = opendir("/many");
  CHECK(d != NULL);
  int dots = 0, files = 0;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    if (e->d_name[0] == '.') {
      CHECK(e->d_type == DT_DIR);
      ++dots;
      continue;
    }
    int i = atoi(e->d_name);
    CHECK(e->d_type == DT_REG && i >= 0 && i < kFiles && !seen[i]);
    seen[i] = 1;
    ++files;
    CHECK(unlinkat(dirfd(d), e->d_name, 0) == 0);
  }
  CHECK(files == kFiles && dots == 2);
  rewinddir(d);
  for (files = 0; readdir(d) != NULL;) ++files;
  CHECK(files == 2 && closedir(d) == 0 && rmdir("/many") == 0);
}

int main(void) {
  reading_and_writing();
  names();
  directories();
  return 0;
}
