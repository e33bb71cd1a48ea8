/* files and directories: open flags, offsets, links, renames, permissions, listing */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
static void say(const char *what, long result) {
    printf("%s: %ld%s%s\n", what, result < 0 ? -1 : result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
}
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
int main(void) {
    char name[] = "scratchXXXXXX", buffer[200];
    struct stat st;
    umask(022);
    say("mkdtemp", mkdtemp(name) != NULL);
    say("chdir", chdir(name));
    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0666);
    say("create", fd >= 0);
    say("excl", open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
    say("missing", open("b", O_RDONLY));
    say("write", write(fd, "hello world", 11));
    say("lseek", lseek(fd, -5, SEEK_END));
    memset(buffer, 0, sizeof buffer);
    say("read", read(fd, buffer, 100));
    printf("%s\n", buffer);
    say("pwrite", pwrite(fd, "HELLO", 5, 0));
    say("pread", pread(fd, buffer, 11, 0));
    printf("%.11s\n", buffer);
    say("stat", fstat(fd, &st));
    printf("size %ld mode %o links %ld blocks %ld blksize %ld\n", (long)st.st_size, st.st_mode, (long)st.st_nlink, (long)st.st_blocks, (long)st.st_blksize);
    say("ftruncate", ftruncate(fd, 5000));
    say("seek hole", lseek(fd, 10000, SEEK_SET));
    say("negative", lseek(fd, -1, SEEK_SET));
    say("append", fcntl(fd, F_SETFL, O_APPEND));
    say("getfl", fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE));
    struct iovec v[2] = {{"one", 3}, {"two", 3}};
    say("writev", writev(fd, v, 2));
    fstat(fd, &st);
    say("size", st.st_size);
    say("link", link("a", "b"));
    say("symlink", symlink("a", "c"));
    say("readlink", readlink("c", buffer, sizeof buffer));
    say("lstat", lstat("c", &st));
    printf("link mode %o size %ld\n", st.st_mode, (long)st.st_size);
    say("nofollow", open("c", O_RDONLY | O_NOFOLLOW));
    say("directory", open("a", O_RDONLY | O_DIRECTORY));
    say("mkdir", mkdir("d", 0777));
    say("mkdir again", mkdir("d", 0777));
    say("write dir", open("d", O_WRONLY));
    say("trailing slash", open("a/", O_RDONLY));
    say("through file", open("a/x", O_RDONLY));
    say("rename", rename("b", "d/e"));
    say("rmdir full", rmdir("d"));
    say("rename dir", rename("d", "f"));
    say("rename into itself", rename("f", "f/g"));
    say("unlink dir", unlink("f"));
    say("rmdir file", rmdir("a"));
    DIR *dir = opendir(".");
    char *names[20];
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(dir))) names[count++] = strdup(entry->d_name);
    closedir(dir);
    qsort(names, count, sizeof *names, compare);
    for (int i = 0; i < count; i++) printf("[%s]", names[i]);
    printf("\n");
    say("access", access("a", R_OK | W_OK));
    say("access x", access("a", X_OK));
    say("chmod", chmod("a", 0400));
    stat("a", &st);
    printf("mode %o\n", st.st_mode);
    say("dup2", dup2(fd, 50));
    say("close", close(50));
    say("close again", close(50));
    say("bad fd", write(77, "x", 1));
    say("efault", write(fd, (void *)1, 1));
    say("einval", lseek(fd, 0, 99));
    int other = open("m", O_RDWR | O_CREAT, 0644);
    write(other, "mapped file", 11);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
    memcpy(map, "MAPPED", 6);
    pread(other, buffer, 11, 0);
    printf("%.11s\n", buffer);
    pwrite(other, "again", 5, 0);
    printf("%.11s\n", map);
    say("munmap", munmap(map, 4096));
    say("loop", symlink("loop", "loop") || open("loop", O_RDONLY));
    char longer[300];
    memset(longer, 'x', 299);
    longer[299] = 0;
    say("long name", open(longer, O_RDONLY));
    say("empty", open("", O_RDONLY));
    say("cwd", getcwd(buffer, sizeof buffer) != NULL);
    say("tail", strcmp(strrchr(buffer, '/') + 1, name));
    say("utimens", utimensat(AT_FDCWD, "a", (struct timespec[]){{1, 2}, {3, 4}}, 0));
    stat("a", &st);
    printf("%ld.%ld %ld.%ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    unlink("a"); unlink("c"); unlink("m"); unlink("loop"); unlink("f/e"); rmdir("f");
    say("up", chdir(".."));
    say("rmdir", rmdir(name));
    return 0;
}
