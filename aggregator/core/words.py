"""Sentences with numbers and causes in them."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun; `many` is the plural where that is not the singular with an s.

    >>> counted(1, "window"), counted(2, "window"), counted(1_200, "duty", "duties")
    ('1 window', '2 windows', '1,200 duties')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def cause(error: Exception) -> str:
    """Return why reading or writing a file failed, without the number and the path that Python puts around it.

    >>> cause(FileNotFoundError(2, "No such file or directory", "prices.csv"))
    'No such file or directory'
    """
    return (isinstance(error, OSError) and error.strerror) or str(error)
