static const char*msgs[]={"hello world","world","x"}; extern int b(int); __thread int t1=5; __thread int t2; static int cnt; int com[4];
extern __thread int tb; extern int weakfn(void) __attribute__((weak)); 
const double d1=1.5; 
static long sc(long n,long a,long b,long c){long r; __asm__ volatile("syscall":"=a"(r):"a"(n),"D"(a),"S"(b),"d"(c):"rcx","r11","memory");return r;}
int getlen(const char*s){int n=0; while(*s++) n++; return n;}
void _start(void){ for(int i=0;i<3;i++) sc(1,1,(long)msgs[i],getlen(msgs[i])); cnt=b(3)+t1; if(weakfn) weakfn(); sc(60,cnt&7,0,0);}
