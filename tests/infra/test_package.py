"""What `serverless deploy` would send to AWS: made by the real tool, without an account."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambda_adapters import metrics
from settings import ROOT
from store.keys import Secret
from tasks import measures

INFRA = ROOT / "infra"
IMAGE = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/skylane@sha256:" + "a" * 64
STAGES = ("dev", "prod")

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="there is no Node.js here")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the CloudFormation template of each stage."""
    if not (INFRA / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=INFRA, check=True)
    templates = {}
    for stage in STAGES:
        out = tmp_path_factory.mktemp(stage)
        command = ["npx", "serverless", "package", "--stage", stage, "--param", f"image={IMAGE}"]
        subprocess.run([*command, "--package", str(out)], cwd=INFRA, check=True)
        templates[stage] = out / "cloudformation-template-update-stack.json"
    return templates


@pytest.fixture(params=STAGES)
def template(request: pytest.FixtureRequest, packaged: dict[str, Path]) -> dict[str, Any]:
    """Return a stage's template, read."""
    read: dict[str, Any] = json.loads(packaged[request.param].read_text())
    return read


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: one["Properties"]
        for name, one in template["Resources"].items()
        if one["Type"] == kind
    }


@pytest.mark.parametrize("stage", STAGES)
def test_cloudformation_would_take_it(packaged: dict[str, Path], stage: str) -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    # W3005: the tool itself writes dependencies that are already there.
    done = subprocess.run(
        [lint, "--ignore-checks", "W3005", "--", packaged[stage]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_every_function_is_there_in_the_code(template: dict[str, Any]) -> None:
    functions = of_type(template, "AWS::Lambda::Function")
    assert len(functions) == 4
    for function in functions.values():
        [command] = function["ImageConfig"]["Command"]
        module, _, name = command.rpartition(".")
        source = (ROOT / (module.replace(".", "/") + ".py")).read_text()
        assert f"def {name}(event" in source
        assert function["Code"]["ImageUri"] == IMAGE


def test_every_setting_of_a_function_is_one(template: dict[str, Any]) -> None:
    fields = importlib.import_module("settings").Settings.model_fields
    known = {str(one.validation_alias or f"SKYLANE_{name.upper()}") for name, one in fields.items()}
    for function in of_type(template, "AWS::Lambda::Function").values():
        assert set(function["Environment"]["Variables"]) <= known


def test_no_function_may_do_everything_or_to_everything(template: dict[str, Any]) -> None:
    roles = of_type(template, "AWS::IAM::Role")
    assert len(roles) == 4
    network = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
    for role in roles.values():
        assert role["ManagedPolicyArns"] == [{"Fn::Sub": network}]
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    assert "*" not in action
                assert statement["Resource"] != "*"


def test_a_message_comes_back_only_after_its_function_has_given_up(
    template: dict[str, Any],
) -> None:
    queues = of_type(template, "AWS::SQS::Queue")
    timeout_s = of_type(template, "AWS::Lambda::Function")["InferLambdaFunction"]["Timeout"]
    assert queues["ImagesQueue"]["VisibilityTimeout"] >= 6 * timeout_s
    assert queues["ImagesQueue"]["RedrivePolicy"]["maxReceiveCount"] >= 5


@pytest.mark.parametrize(
    ("parameters", "traced", "origin", "authorization", "access"),
    [
        ((), False, "*", "NONE", "keys"),  # what needs no image, `remove` say, works without one
        (
            ("tracing=true", "corsOrigin=https://a.example", "access=open"),
            *(True, "https://a.example", "NONE", "open"),
        ),
        (("apiAuthorizer=aws_iam",), False, "*", "AWS_IAM", "open"),
    ],
)
def test_a_parameter_reaches_all_that_it_is_about(
    parameters: tuple[str, ...],
    traced: bool,
    origin: str,
    authorization: str,
    access: str,
    tmp_path: Path,
) -> None:
    given = [part for one in parameters for part in ("--param", one)]
    command = ["npx", "serverless", "package", "--stage", "dev", "--package", str(tmp_path)]
    subprocess.run([*command, *given], cwd=INFRA, check=True)
    text = (tmp_path / "cloudformation-template-update-stack.json").read_text()
    template = json.loads(text)
    assert ("AWSXRayDaemonWriteAccess" in text) == traced
    [rule] = of_type(template, "AWS::S3::Bucket")["ImagesBucket"]["CorsConfiguration"]["CorsRules"]
    [api] = of_type(template, "AWS::ApiGatewayV2::Api").values()
    assert rule["AllowedOrigins"] == api["CorsConfiguration"]["AllowOrigins"] == [origin]
    [route] = of_type(template, "AWS::ApiGatewayV2::Route").values()
    assert route.get("AuthorizationType", "NONE") == authorization
    for function in of_type(template, "AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["SKYLANE_ACCESS"] == access


@pytest.mark.parametrize(("stage", "access"), [("dev", "keys"), ("prod", "open")])
def test_who_is_let_in_without_a_signature_needs_a_key(
    packaged: dict[str, Path], stage: str, access: str
) -> None:
    template = json.loads(packaged[stage].read_text())
    for name, function in of_type(template, "AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        assert variables["SKYLANE_ACCESS"] == access
        assert ("SKYLANE_INITIAL_KEY" in variables) == name.startswith("Migrate")
    # What Secrets Manager makes up is a key once it has its prefix, and nobody types it.
    secret = of_type(template, "AWS::SecretsManager::Secret")["ApiKeySecret"]
    made_up = secret["GenerateSecretString"]
    assert (made_up["PasswordLength"], made_up["ExcludePunctuation"]) == (56, True)
    assert Secret.parse("skl_" + "aZ09" * 14)


def test_in_prod_requests_are_signed(packaged: dict[str, Path]) -> None:
    [route] = of_type(json.loads(packaged["prod"].read_text()), "AWS::ApiGatewayV2::Route").values()
    assert route["AuthorizationType"] == "AWS_IAM"


def test_new_code_finds_its_schema(template: dict[str, Any]) -> None:
    for name in ("Infer", "Api", "Sweep"):
        assert "Migration" in template["Resources"][f"{name}LambdaFunction"]["DependsOn"]


def test_nobody_outside_reaches_the_bucket_or_the_database(template: dict[str, Any]) -> None:
    bucket = of_type(template, "AWS::S3::Bucket")["ImagesBucket"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    [database] = of_type(template, "AWS::RDS::DBInstance").values()
    assert (database["PubliclyAccessible"], database["StorageEncrypted"]) == (False, True)
    assert "resolve:secretsmanager" in json.dumps(database["MasterUserPassword"])


def test_alarms_of_our_own_metrics_watch_what_the_functions_tell(template: dict[str, Any]) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    own = {
        one["MetricName"]: one["Dimensions"]
        for one in alarms.values()
        if one["Namespace"] == metrics.NAMESPACE
    }
    tellers = {
        measures.GIVEN_UP: "SweepLambdaFunction",
        measures.UNPREDICTED: "InferLambdaFunction",
    }
    assert own == {
        name: [{"Name": "service", "Value": {"Ref": function}}]
        for name, function in tellers.items()
    }


def test_the_dashboard_is_json_and_shows_what_there_is(template: dict[str, Any]) -> None:
    [dashboard] = of_type(template, "AWS::CloudWatch::Dashboard").values()
    text, names = dashboard["DashboardBody"]["Fn::Sub"]
    known = set(names) | set(template["Resources"]) | {"AWS::Region"}
    assert set(re.findall(r"\$\{([^}]+)\}", text)) <= known
    widgets = json.loads(text)["widgets"]
    own = set(re.findall(r"skylane_\w+", text))
    assert own <= measures.NAMES
    taken = [(one["x"], one["y"]) for one in widgets]
    assert len(taken) == len(set(taken)) > 5
    for widget in widgets:
        assert widget["x"] + widget["width"] <= 24  # the page is that wide
        assert widget["type"] in ("metric", "log")
        assert widget["properties"].get("metrics") or widget["properties"].get("query")
