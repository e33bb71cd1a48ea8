int deep(int a){ if(a<2) return 1; return deep(a-1)+deep(a-2);} __attribute__((weak)) int maybe(void){return 5;}
