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


def test_the_menu_beside_a_choice_opens_and_closes_with_the_keyboard(live_server, operator, page, log_in):
    log_in()
    page.goto(f"{live_server.url}/admin/assets/membership/add/")
    page.focus("#id_aggregation_ean")
    tab_to(page, "More")
    page.keyboard.press("Enter")
    page.wait_for_function(f"{FOCUSED} === 'addAdd another aggregation EAN'")
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.ariaLabel === 'More'")
    page.wait_for_selector("text=Add another aggregation EAN", state="hidden")
    assert page.complaints == []


def test_a_choice_that_is_searched_in_is_named_and_made_with_the_keyboard(live_server, operator, page, log_in):
    log_in()
    page.goto(f"{live_server.url}/admin/assets/membership/add/")
    assert page.get_by_role("combobox", name="Asset").count() == 1
    page.get_by_role("combobox", name="Asset").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("li[role=option]:has-text('Charger charger-1')")
    assert page.get_by_role("searchbox", name="Asset").evaluate("field => field === document.activeElement")
    assert page.get_by_role("listbox", name="Asset").count() == 1
    page.keyboard.type("charger")
    page.wait_for_selector("li.select2-results__option--highlighted:has-text('Charger charger-1')")
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('id_asset').value")
    page.wait_for_function("document.activeElement.matches('[role=combobox]')")
    assert "Charger charger-1" in page.evaluate(FOCUSED)
    assert page.complaints == []


def test_what_the_search_finds_is_reached_with_the_keyboard(live_server, operator, page, log_in):
    log_in()
    page.focus(".op-as-of a")
    page.keyboard.press("Control+k")
    page.wait_for_function("document.activeElement.id === 'search-input-command'")
    page.keyboard.type("asset")
    page.wait_for_selector("#command-results-list a")
    tab_to(page, "Asset states")
    assert page.get_attribute("#command-results-list li:has(:focus)", "class") == "group active"
    for _ in range(9):  # the page behind is covered
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('body, [x-data=\"searchCommand()\"] *')")
    tab_to(page, "Asset states")
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.id === 'search-input-command'")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.wait_for_function(f"{FOCUSED} === 'Look again'")
    page.wait_for_selector("#search-input-command", state="hidden")

    page.keyboard.press("Control+k")
    page.wait_for_function("document.activeElement.id === 'search-input-command'")
    page.keyboard.type("asset")
    page.wait_for_selector("#command-results-list a")
    tab_to(page, "Asset states")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/assets/assetstate/")
    assert page.complaints == []


def test_the_search_gets_the_focus_also_where_frames_come_late(operator, page, log_in):
    page.add_init_script(
        """(() => {
          const asSoon = window.requestAnimationFrame;
          window.requestAnimationFrame = (draw) => setTimeout(() => asSoon(draw), 200);
        })()"""
    )
    log_in()
    page.focus(".op-as-of a")
    page.keyboard.press("Control+k")
    page.wait_for_function("document.activeElement.id === 'search-input-command'")
    page.keyboard.press("Escape")
    page.wait_for_function(f"{FOCUSED} === 'Look again'")
    assert page.complaints == []


def test_what_the_theme_adds_later_is_a_button_too(operator, page, log_in):
    log_in()
    page.evaluate(
        """() => document.querySelector("main").insertAdjacentHTML("beforeend", `
          <div x-data="{ open: false }">
            <span x-on:click="open = !open">Details</span><nav x-show="open"><a href="#">Later</a></nav>
          </div>`)"""
    )
    page.get_by_role("button", name="Details", expanded=False).focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"{FOCUSED} === 'Later'")
    assert page.get_by_role("button", name="Details", expanded=True).count() == 1
    page.keyboard.press("Escape")
    page.wait_for_function(f"{FOCUSED} === 'Details'")
    page.wait_for_selector("text=Later", state="hidden")
    assert page.complaints == []
