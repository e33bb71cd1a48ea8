template<class T> T tmpl(T x){ static T s; s+=x; return s; } struct V{virtual ~V(); virtual int f(){return 1;}}; 
int usec(){ return tmpl(3)+tmpl(4L); }
