struct Item { ~Item(); };
Item::~Item() {}
void last();
void attempt(int x) { Item item; if (x) throw x; last(); }
int caught() { try { attempt(1); } catch (int e) { return e; } return 0; }
void last() {}
extern "C" void _start() { caught(); }
