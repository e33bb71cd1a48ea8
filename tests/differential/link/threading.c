extern __thread int te;
__thread int own = 3;
static __thread int near = 4, other;
extern int fun(int);
int sum(int x) { return fun(x) + own + near + other + te; }
int run(void) { return sum(te) + own; }
