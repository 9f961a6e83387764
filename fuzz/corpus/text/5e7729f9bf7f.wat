 (@metadata.code.custom "more-iubc"mo3
)