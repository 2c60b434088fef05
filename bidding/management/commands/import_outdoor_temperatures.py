"""`manage.py import_outdoor_temperatures temperatures.csv`: measured or forecast, for sizing bids."""

from bidding.forecast.temperature_files import read_temperatures
from bidding.management.importing import ImportCommand
from bidding.models import OutdoorTemperature


class Command(ImportCommand):
    """Stores all of the file, or nothing."""

    help = "Read hourly outdoor temperatures from a CSV with the columns utc,celsius (- reads standard input)."
    read = read_temperatures
    model = OutdoorTemperature
    period = "hour"
