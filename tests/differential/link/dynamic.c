extern int ext, fun(int), ea(int), eb(int);
extern const int fixed;
int mine = 5;
static int local = 6;
int *to_mine = &mine, *to_local = &local, *to_ext = &ext;
int (*to_fun)(int) = fun, (*to_eb)(int);
__attribute__((visibility("hidden"))) int hidden(int x) { return x + local; }
__attribute__((visibility("protected"))) int protected(int x) { return x + 1; }
int api(int x) { return fun(x) + ext + mine + local + fixed + hidden(x) + protected(x); }
int run(void) { to_eb = eb; return api(1) + ea(2) + eb(3); }
