(assert_return_arithmetic_nan(@custom "my-section1" "")
  (@custom "")
)