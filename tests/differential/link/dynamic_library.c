int ext = 7;
__thread int te = 9;
int fun(int x) { return x + 1; }
int ea(int x) { return x; }
int eb(int x) { return x; }
const int fixed = 3;
