(module qudule definition $m (func (export "f") (param )))
(module instanceert_malformed (module puote "())") "unknown operator")
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_unlinkable
ote "(@a \0d)")