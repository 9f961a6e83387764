(eudata"a")r
! (@% @ as\" f \u{91_4.le_0tableÿÿÿ
)