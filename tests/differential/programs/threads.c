/* threads: mutexes, conditions, join values, thread-local storage, a barrier */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static int counter, turn;
static __thread int mine;
static void *add(void *argument) {
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        mine++;
    }
    return (void *)(long)(mine + (long)argument);
}
static void *alternate(void *argument) {
    int me = (int)(long)argument;
    for (int i = 0; i < 5; i++) {
        pthread_mutex_lock(&lock);
        while (turn != me) pthread_cond_wait(&ready, &lock);
        printf("turn %d of %d\n", i, me);
        turn = !me;
        pthread_cond_broadcast(&ready);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
int main(void) {
    pthread_t t[4];
    for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, add, (void *)i);
    long sum = 0;
    for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); sum += (long)r; }
    printf("counter %d sum %ld mine %d\n", counter, sum, mine);
    for (long i = 0; i < 2; i++) pthread_create(&t[i], NULL, alternate, (void *)i);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    return counter == 80000 ? 0 : 1;
}
