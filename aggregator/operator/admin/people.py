"""Who may log in, who is locked out, and what is left out of the operator pages."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from aggregator.core.services import clock
from aggregator.operator.admin.base import HistoryAdmin, operator_of
from aggregator.operator.admin.reasons import with_reason
from aggregator.operator.models import FailedLogIn
from aggregator.operator.sign_in import AlreadyUnlocked, unlock

# Credentials of partners are made and shown once by `manage.py partner`; nobody needs to browse tokens.
for _model in (
    get_access_token_model(),
    get_application_model(),
    get_grant_model(),
    get_id_token_model(),
    get_refresh_token_model(),
):
    admin.site.unregister(_model)
admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg, misc]  # Unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    readonly_fields = ("last_login", "date_joined")  # they happen


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # Unfold has no types
    pass


@admin.register(FailedLogIn)
class FailedLogInAdmin(HistoryAdmin):
    list_display = ("attempt_time", "username", "ip_address", "failures_since_start", "user_agent")
    fields = (*list_display, "path_info", "http_accept")
    list_filter = ("username",)
    search_fields = ("username", "ip_address")
    ordering = ("-attempt_time",)
    actions = ("unlock",)

    @admin.action(description="Unlock: forget these failures", permissions=["act"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[FailedLogIn]) -> HttpResponse | None:
        """Let them try again now."""
        actor = operator_of(request)

        def act(attempt: FailedLogIn, reason: str) -> None:
            unlock(attempt=attempt, reason=reason, now=clock().now(), actor=actor)

        return with_reason(
            admin=self,
            request=request,
            queryset=queryset,
            action="unlock",
            title="Unlock these log-ins",
            done="unlocked",
            act=act,
            refusals=(AlreadyUnlocked,),
        )
