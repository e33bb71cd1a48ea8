#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
__thread int errors = 2;
int main(int count, char **arguments) {
    int numbers[] = {3, 1, 2};
    char text[40];
    qsort(numbers, 3, sizeof *numbers, compare);
    strcpy(text, "sorted");
    fprintf(stdout, "%s %d %d\n", text, numbers[0], errors);
    return count > 5 ? (int)strlen(arguments[1]) : 0;
}
