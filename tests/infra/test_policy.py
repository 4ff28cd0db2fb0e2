"""What must hold in every environment: no keys, no open doors, least roles, logs, safe ageing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shared.store.keys import CURVES, JOBS, PLANS, RUNS
from tests.infra.bicep import INFRA, Expression, Resource, read, sources

ALL = [
    (source.path.stem, resource)
    for source in sources()
    for resource in source.resources.values()
    if not resource.existing
]
TEXT = "\n".join(path.read_text() for path in sorted(INFRA.rglob("*.bicep*")))


def of_type(kind: str) -> list[Resource]:
    found = [resource for _, resource in ALL if resource.type == kind]
    assert found, f"no {kind} in the templates"
    return found


def one(kind: str) -> dict[str, Any]:
    (resource,) = of_type(kind)
    properties: dict[str, Any] = resource.body["properties"]
    return properties


# --- no keys, no open doors ------------------------------------------------------------------


def test_storage_takes_no_keys_and_shows_nothing_to_the_public() -> None:
    account = one("Microsoft.Storage/storageAccounts")
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["allowCrossTenantReplication"] is False
    assert account["defaultToOAuthAuthentication"] is True
    for container in of_type("Microsoft.Storage/storageAccounts/blobServices/containers"):
        assert container.body["properties"]["publicAccess"] == "None"


def test_only_https_with_tls_1_2() -> None:
    account = one("Microsoft.Storage/storageAccounts")
    assert account["supportsHttpsTrafficOnly"] is True
    assert account["minimumTlsVersion"] == "TLS1_2"
    app = one("Microsoft.Web/sites")
    assert app["httpsOnly"] is True
    assert app["siteConfig"]["minTlsVersion"] == "1.2"


def test_telemetry_and_publishing_need_an_entra_identity() -> None:
    assert one("Microsoft.Insights/components")["DisableLocalAuth"] is True
    workspace = one("Microsoft.OperationalInsights/workspaces")
    assert workspace["features"]["disableLocalAuth"] is True
    policies = of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy.body["name"]: policy.body["properties"]["allow"] for policy in policies} == {
        "scm": False,
        "ftp": False,
    }


SECRETS = (
    "AccountKey accountSas connectionStrings getSecret InstrumentationKey listKeys listSecrets "
    "password primaryKey secure() serviceSas SharedAccessKey"
)


@pytest.mark.parametrize("word", SECRETS.split())
def test_no_secret_is_read_made_or_passed(word: str) -> None:
    code = re.sub(r"(?m)(^|\s)//.*", "", TEXT)
    assert word.lower() not in code.lower()


# --- the function app ------------------------------------------------------------------------


def test_the_app_runs_on_flex_consumption_as_its_own_identity() -> None:
    (plan,) = of_type("Microsoft.Web/serverfarms")
    assert plan.body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan.body["properties"]["reserved"] is True
    (app,) = of_type("Microsoft.Web/sites")
    assert app.body["identity"]["type"] == "UserAssigned"
    config = app.body["properties"]["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": "3.13"}
    package = config["deployment"]["storage"]
    assert package["type"] == "blobContainer"
    assert package["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": Expression("identityId"),
    }
    scale = config["scaleAndConcurrency"]
    assert scale["triggers"]["http"]["perInstanceConcurrency"] == Expression("httpConcurrency")
    defaults = read(INFRA / "main.bicep").parameters
    assert defaults["instanceMemoryMB"].default == 2048
    assert defaults["httpConcurrency"].default in (1, 2)


def test_the_app_has_nothing_that_flex_consumption_refuses() -> None:
    app = one("Microsoft.Web/sites")
    refused = {"linuxFxVersion", "pythonVersion", "ftpsState", "alwaysOn", "use32BitWorkerProcess"}
    assert not refused & (set(app) | set(app["siteConfig"]))
    names = {setting["name"] for setting in app["siteConfig"]["appSettings"]}
    assert not {n for n in names if n.startswith(("FUNCTIONS_", "WEBSITE_", "SCM_", "ENABLE_ORYX"))}


# --- roles -----------------------------------------------------------------------------------

# Storage Blob Data Owner, Storage Queue Data Contributor, Monitoring Metrics Publisher:
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "b7e6dc6d-f1b9-4753-8033-0f276bb0955b": "Microsoft.Storage/storageAccounts",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Microsoft.Storage/storageAccounts",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Microsoft.Insights/components",
}


def test_the_identity_has_just_the_three_roles_it_needs_each_on_one_resource() -> None:
    roles = read(INFRA / "modules/roles.bicep")
    granted = {}
    for resource in of_type("Microsoft.Authorization/roleAssignments"):
        body = resource.body["properties"]
        found = re.fullmatch(
            r"subscriptionResourceId\('Microsoft.Authorization/roleDefinitions', (\w+)\)",
            body["roleDefinitionId"].text,
        )
        assert found is not None
        scope = resource.body["scope"].text
        granted[roles.variables[found[1]]] = roles.resources[scope].type
        assert body["principalId"] == Expression("principalId")
        assert body["principalType"] == "ServicePrincipal"
        # The name is a function of who, what and where: a second deployment finds the first.
        assert resource.body["name"] == Expression(f"guid({scope}.id, principalId, {found[1]})")
    assert granted == ROLES


def test_the_app_starts_only_when_the_roles_are_there() -> None:
    function = read(INFRA / "main.bicep").modules["function"]
    assert function.body["dependsOn"] == [Expression("roles")]


# --- logs ------------------------------------------------------------------------------------

LOGGED = {
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/queueServices",
    "Microsoft.Web/sites",
}
NOT_LOGGED = {
    "Microsoft.Authorization/roleAssignments": "changes are in the activity log",
    "Microsoft.Insights/actionGroups": "has no diagnostic categories",
    "Microsoft.Insights/components": "writes to the workspace as it is; a copy would double it",
    "Microsoft.Insights/diagnosticSettings": "is the log",
    "Microsoft.Insights/metricAlerts": "has no diagnostic categories",
    "Microsoft.Insights/scheduledQueryRules": "has no diagnostic categories",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "sign-ins are in Entra's own log",
    "Microsoft.Storage/storageAccounts": "has metrics only; its services have the logs",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "logged by the service",
    "Microsoft.Storage/storageAccounts/managementPolicies": "has no diagnostic categories",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "logged by the service",
    "Microsoft.Web/serverfarms": "has metrics only, free without a setting",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "part of the site",
}


def test_every_resource_is_logged_or_has_a_reason_not_to_be() -> None:
    assert {resource.type for _, resource in ALL} == LOGGED | set(NOT_LOGGED)
    symbols = {(stem, resource.symbol): resource.type for stem, resource in ALL}
    logged = set()
    for stem, resource in ALL:
        if resource.type == "Microsoft.Insights/diagnosticSettings":
            logged.add(symbols[stem, resource.body["scope"].text])
            assert resource.body["properties"]["workspaceId"].text in (
                "workspaceId",
                "workspace.id",
            )
            assert all(log["enabled"] for log in resource.body["properties"]["logs"])
    assert logged == LOGGED


# --- ageing ----------------------------------------------------------------------------------


def rules() -> dict[str, dict[str, Any]]:
    policy = one("Microsoft.Storage/storageAccounts/managementPolicies")["policy"]
    return {rule["name"]: rule["definition"] for rule in policy["rules"]}


def prefix(room: str) -> list[Expression]:
    return [Expression(f"'${{dataContainerName}}/{room}/'")]


def test_no_rule_deletes_a_blob_that_may_be_in_use() -> None:
    deleting = {n for n, rule in rules().items() if "delete" in rule["actions"].get("baseBlob", {})}
    assert deleting == {"delete-old-runs", "delete-old-plans", "delete-old-jobs"}
    assert rules()["delete-old-runs"]["filters"]["prefixMatch"] == prefix(RUNS)
    assert rules()["delete-old-plans"]["filters"]["prefixMatch"] == prefix(PLANS)
    assert rules()["delete-old-jobs"]["filters"]["prefixMatch"] == prefix(JOBS)
    # A run must outlive its queue message, which lives seven days at most.
    assert read(INFRA / "main.bicep").parameters["runRetentionDays"].decorators["minValue"] > 7


def test_old_curve_sets_get_cheaper_and_stay_readable() -> None:
    rule = rules()["cool-old-curve-sets"]
    assert rule["filters"]["prefixMatch"] == prefix(CURVES)
    # Cool is read at once; a blob in the archive tier is not.
    assert set(rule["actions"]) == {"baseBlob"}
    assert set(rule["actions"]["baseBlob"]) == {"tierToCool"}


def test_what_was_overwritten_or_deleted_can_be_brought_back_for_a_while() -> None:
    service = one("Microsoft.Storage/storageAccounts/blobServices")
    assert service["isVersioningEnabled"] is True
    for kind in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        assert service[kind] == {"enabled": True, "days": Expression("softDeleteDays")}
    actions = rules()["delete-replaced-versions"]["actions"]
    assert set(actions) == {"version"}


def test_production_is_kept_longer_and_watched() -> None:
    dev, prod = (read(INFRA / f"{name}.bicepparam").variables for name in ("dev", "prod"))
    assert prod["storageSku"] == "Standard_ZRS"
    assert prod["alertsEnabled"] is True
    for name in ("softDeleteDays", "blobVersionDays", "logRetentionDays"):
        assert prod[name] > dev[name], name
    assert prod["alwaysReadyHttpInstances"] >= 1 > dev["alwaysReadyHttpInstances"]
