(45 \" feaf \t \u{_acy
)