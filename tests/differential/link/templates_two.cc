template<class T> T tmpl(T x){ static T s; s+=x; return s; } inline int inl(){ static int k=3; return k++; }
int used(){ return tmpl(5)+inl(); }
