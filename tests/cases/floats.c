// Floating-point types become FLOAT in each of the sizes that BTF knows.
// machines: arm64 - the only other that has all of them
// expect: FLOAT float size=4
// expect: FLOAT double size=8
// expect: FLOAT long double size=16
// expect[gcc]: FLOAT _Float16 size=2
// expect: FUNC scale(x: float, y: double) -> double
// Without the feature they are unsigned integers of the same size.
// args: --btf_features=var,decl_tag,type_tag,enum64
// expect: INT float size=4 UNSIGNED
// expect: INT double size=8 UNSIGNED
// expect[gcc]: INT _Float16 size=2 UNSIGNED
// expect-not: FLOAT
#ifdef __clang__
typedef float half; // not on every target
#else
typedef _Float16 half;
#endif
struct floats { float f; double d; long double l; half h; } all;
double scale(float x, double y) { return x * y; }
