extern int weak_called(void) __attribute__((weak)), weak_compared(void) __attribute__((weak));
extern int weak_value __attribute__((weak));
extern int hidden_value __attribute__((weak, visibility("hidden")));
extern int fun(int);
int (*pointer)(void) = weak_compared;
int run(void) {
  int result = fun(0);
  if (weak_compared) result = weak_compared();
  if (&hidden_value) result += hidden_value;
  return weak_called() + (&weak_value ? weak_value : 0) + result;
}
