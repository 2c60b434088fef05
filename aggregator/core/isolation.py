"""One item of a round fails alone."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded


@contextmanager
def failing_alone(
    logger: logging.Logger, what: str, *args: object, afterwards: Callable[[Exception], None] = lambda _error: None
) -> Iterator[None]:
    """Run a block of a round; when it fails, log `what` with its traceback and go on behind the block.

    `what` names the item and says what an operator should do; `args` fill it in as in `logging`. The block opens its
    own transaction, so that of an item that failed nothing stays and the next round tries it again, unless
    `afterwards`, which is called with the error, sees to it. A round that is out of time ends.
    """
    try:
        yield
    except SoftTimeLimitExceeded:  # the round's time is up, not the item's
        raise
    except Exception as error:  # whatever it was: the items behind this one must get their turn
        logger.exception(what, *args)
        afterwards(error)
