extern int other(int); int unused_data=5; int used_data=6; static int su(int a){return a+unused_data;} int dead(int x){return su(x)+other(x);} int live(int x){return x+used_data;}
__attribute__((section("myset"))) int m1=4; extern int __start_myset, __stop_myset; const char*str(void){return "dead string";}
void _start(void){ live((int)(long)(&__stop_myset-&__start_myset)); const char*volatile s="live string"; for(;;); }
