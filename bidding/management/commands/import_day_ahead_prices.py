"""`manage.py import_day_ahead_prices prices.csv`: day-ahead prices, for pricing bids."""

from bidding.forecast.price_files import read_prices
from bidding.management.importing import ImportCommand
from bidding.models import DayAheadPrice


class Command(ImportCommand):
    """Stores all of the file, or nothing."""

    help = "Read day-ahead prices from a CSV with the columns utc,eur_per_mwh (- reads standard input)."
    read = read_prices
    model = DayAheadPrice
    period = "quarter hour"
