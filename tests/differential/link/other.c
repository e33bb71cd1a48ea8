extern int com[4]; int q=7; double fd(double x){return x*1.5+2.25;} const char*ss="world";
int b(int x){ static int calls; calls++; com[1]=x; return (int)fd(x)+q+ss[0]; } __attribute__((constructor)) void ctor(void){q=9;}
__attribute__((section("myset"),used)) int e1=1; 
