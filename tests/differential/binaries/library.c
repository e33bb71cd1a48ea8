/* What C programs lean on: printf, malloc, qsort, setjmp, strings, time, environment, files. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static jmp_buf place;
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void leave(int depth) { if (!depth) longjmp(place, 7); leave(depth - 1); }
static void last(void) { puts("atexit"); }
int main(int count, char **arguments) {
    int numbers[1000];
    unsigned seed = 1;
    atexit(last);
    for (int i = 0; i < 1000; i++) numbers[i] = (int)((seed = seed * 1103515245 + 12345) >> 8);
    qsort(numbers, 1000, sizeof *numbers, compare);
    printf("%d %d %d\n", numbers[0], numbers[500], numbers[999]);
    printf("%5.3f|%-8s|%+d|%#x|%e|%Lf|%c|%%|%lld\n", 3.14159, "left", 5, 255, 12345.678, 2.5L, 'x', -1234567890123LL);
    printf("%.15g %.10g\n", sqrt(2.0), 1.0 / 3.0);
    char *blocks[40];
    for (int i = 0; i < 40; i++) memset(blocks[i] = malloc(i * 1000 + 1), i, i * 1000 + 1);
    for (int i = 0; i < 40; i += 2) free(blocks[i]);
    blocks[1] = realloc(blocks[1], 500000);
    printf("%d %d\n", blocks[1][5], blocks[39][38000]);
    int got = setjmp(place);
    if (!got) leave(100);
    printf("longjmp %d\n", got);
    char text[50];
    snprintf(text, sizeof text, "%s-%s", arguments[0] + 2, getenv("PATH"));
    printf("%s %zu %d %s\n", text, strlen(text), atoi("42x"), strerror(ENOENT));
    FILE *file = fopen("made", "w+");
    for (int i = 0; i < 2000; i++) fprintf(file, "line %d\n", i);
    fseek(file, 100, SEEK_SET);
    fgets(text, sizeof text, file);
    printf("%ld %s", ftell(file), text);
    fclose(file);
    remove("made");
    printf("%d\n", fopen("/nonexistent", "r") == 0 && errno == ENOENT);
    fprintf(stderr, "%d arguments\n", count);
    return 3;
}
