"""What the theme makes clickable can be reached and used without a mouse."""

import pytest
from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db(transaction=True)

FOCUSED = "(document.activeElement.ariaLabel || document.activeElement.textContent).trim().replace(/\\s+/g, ' ')"


@pytest.fixture
def operator(evening):
    evening.everything()
    return User.objects.create_superuser("operator", password="throw-away")


def tab_to(page, words, *, most=80):
    """Press Tab until something that says these words has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if words in page.evaluate(FOCUSED):
            return
    pytest.fail(f"Tab does not come to “{words}”.")


def test_the_user_menu_opens_and_closes_with_the_keyboard(operator, page, log_in):
    log_in()
    page.focus("#nav-sidebar a >> nth=-3")
    tab_to(page, "operator unfold_more")
    assert page.get_attribute(":focus", "aria-expanded") == "false"

    page.keyboard.press("Enter")
    page.wait_for_function(f"{FOCUSED} === 'light_mode Light'")
    tab_to(page, "dark_mode Dark")
    page.keyboard.press("Space")
    page.wait_for_selector("html.dark")
    tab_to(page, "Log out logout")

    page.keyboard.press("Escape")
    page.wait_for_function(f"{FOCUSED} === 'O operator unfold_more'")
    assert page.get_attribute(":focus", "aria-expanded") == "false"
    page.wait_for_selector("text=Log out", state="hidden")
    assert page.complaints == []


def test_the_menu_of_a_phone_opens_and_closes_with_the_keyboard(operator, page, log_in):
    page.set_viewport_size({"width": 390, "height": 844})
    log_in()
    assert page.is_hidden("#nav-sidebar")
    tab_to(page, "Menu")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('#nav-sidebar')")
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.ariaLabel === 'Menu'")
    page.wait_for_selector("#nav-sidebar", state="hidden")


def test_filters_open_and_close_with_the_keyboard(live_server, operator, page, log_in):
    log_in()
    page.goto(f"{live_server.url}/admin/bidding/bid/")
    page.focus("#searchbar")
    tab_to(page, "Filters filter_list")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('#changelist-filter')")
    page.keyboard.press("Escape")
    page.wait_for_function(f"{FOCUSED} === 'Filters filter_list'")
    page.wait_for_selector("#changelist-filter", state="hidden")
    assert page.complaints == []
