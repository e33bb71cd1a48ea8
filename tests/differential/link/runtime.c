void *__cxa_begin_catch(void *p) { return p; }
void __cxa_end_catch(void) {}
void __gxx_personality_v0(void) {}
void _Unwind_Resume(void) {}
void *__cxa_allocate_exception(unsigned long n) { return 0; }
void __cxa_throw(void *a, void *b, void *c) {}
void *_ZTIi[2];
