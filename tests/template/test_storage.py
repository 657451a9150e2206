"""What is stored is encrypted, closed, and survives: the emulator drops all of it, so it is read here."""

import pytest

from tests.template.loading import properties, template, walk

MUST_SURVIVE = ["Table", "Bucket", "DropTrailBucket", "Secret"]
BUCKETS = properties("AWS::S3::Bucket")
BUCKET = BUCKETS["Bucket"]
BUCKET_POLICIES = properties("AWS::S3::BucketPolicy")
every_bucket = pytest.mark.parametrize("name", BUCKETS)
[TABLE] = properties("AWS::DynamoDB::Table").values()


@pytest.mark.parametrize("name", MUST_SURVIVE)
def test_what_holds_data_outlives_the_stack_and_its_own_replacement(name: str):
    resource = template()["Resources"][name]
    assert resource["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate")
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_nothing_else_that_holds_data_was_added_without_a_thought():
    holding = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::KMS::Key"}
    found = [name for name, resource in template()["Resources"].items() if resource["Type"] in holding]
    assert sorted(found) == sorted(MUST_SURVIVE)


@every_bucket
def test_bucket_is_encrypted(name: str):
    [rule] = BUCKETS[name]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")


@every_bucket
def test_bucket_keeps_versions(name: str):
    assert BUCKETS[name]["VersioningConfiguration"] == {"Status": "Enabled"}


@every_bucket
def test_bucket_can_not_be_made_public(name: str):
    bucket = BUCKETS[name]
    assert set(bucket["PublicAccessBlockConfiguration"]) == {
        "BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets",
    }  # fmt: skip
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_bucket_tells_eventbridge_of_its_objects():
    assert BUCKET["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_bucket_forgets_work_files_half_uploads_and_their_old_versions():
    rules = {rule["Id"]: rule for rule in BUCKET["LifecycleConfiguration"]["Rules"]}
    assert {rule["Status"] for rule in rules.values()} == {"Enabled"}
    assert rules["incomplete-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 7
    # a batch that was applied a year ago can still be reversed, and shown to an auditor
    assert rules["work-files"]["Prefix"] == "work/"
    assert rules["work-files"]["ExpirationInDays"] >= 365


@pytest.mark.parametrize(
    ("prefix", "days"), [("results/", 90), ("inbox/", 400), ("dry-run/", 400), ("recurring/", 400)]
)
def test_bucket_keeps_results_and_drops_and_forgets_what_replaced_them_only_late(prefix: str, days: int):
    [rule] = [r for r in BUCKET["LifecycleConfiguration"]["Rules"] if r.get("Prefix") == prefix]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": days}
    assert not rule.keys() & {"ExpirationInDays", "ExpirationDate", "Transitions"}


def test_what_is_dropped_stays_as_long_as_the_batch_that_refers_to_it_can_be_reversed():
    rules = {rule["Id"]: rule for rule in BUCKET["LifecycleConfiguration"]["Rules"]}
    kept = rules["old-drops"]["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert kept >= rules["work-files"]["ExpirationInDays"]


POLICIES = {**BUCKET_POLICIES, **properties("AWS::SNS::TopicPolicy")}


@pytest.mark.parametrize("name", POLICIES)
def test_only_tls_is_let_in(name: str):
    policy = POLICIES[name]
    denied = next(s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny")
    assert denied["Principal"] == "*"
    assert denied["Action"] in ("s3:*", "sns:Publish")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@every_bucket
def test_tls_is_demanded_for_the_bucket_and_its_objects(name: str):
    [policy] = [p for p in BUCKET_POLICIES.values() if p["Bucket"] == {"Ref": name}]
    assert policy["PolicyDocument"]["Statement"][0]["Resource"] == [
        {"Fn::GetAtt": [name, "Arn"]},
        {"Fn::Sub": f"${{{name}.Arn}}/*"},
    ]


def test_trail_of_drops_is_there_only_where_it_is_asked_for():
    assert template()["Parameters"]["CloudTrailDataEvents"]["Default"] == "false"
    assert template()["Conditions"]["HasDropTrail"] == {
        "Fn::Equals": [{"Ref": "CloudTrailDataEvents"}, "true"]
    }
    for name in ("DropTrail", "DropTrailBucket", "DropTrailBucketPolicy"):
        assert template()["Resources"][name]["Condition"] == "HasDropTrail"
    assert template()["Outputs"]["DropTrailBucketName"]["Condition"] == "HasDropTrail"


def test_trail_records_who_writes_where_files_are_dropped_and_nothing_else():
    [trail] = properties("AWS::CloudTrail::Trail").values()
    [selector] = trail["AdvancedEventSelectors"]
    chosen = {field.pop("Field"): field for field in map(dict, selector["FieldSelectors"])}
    assert chosen == {
        "eventCategory": {"Equals": ["Data"]},
        "resources.type": {"Equals": ["AWS::S3::Object"]},
        "readOnly": {"Equals": ["false"]},
        "resources.ARN": {
            "StartsWith": [
                {"Fn::Sub": f"${{Bucket.Arn}}/{folder}/"} for folder in ("inbox", "recurring", "dry-run")
            ]
        },
    }
    assert (trail["IsLogging"], trail["EnableLogFileValidation"]) == (True, True)


def test_only_this_stacks_trail_may_write_into_its_bucket():
    [trail] = properties("AWS::CloudTrail::Trail").values()
    arn = "arn:${AWS::Partition}:cloudtrail:${AWS::Region}:${AWS::AccountId}:trail/"
    own = {"Fn::Sub": arn + trail["TrailName"]["Fn::Sub"]}
    statements = BUCKET_POLICIES["DropTrailBucketPolicy"]["PolicyDocument"]["Statement"]
    allowed = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert {s["Action"] for s in allowed} == {"s3:GetBucketAcl", "s3:PutObject"}
    for statement in allowed:
        assert statement["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
        assert statement["Condition"]["StringEquals"]["aws:SourceArn"] == own


@pytest.mark.parametrize(
    "condition",
    [
        {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}},
        {"StringEquals": {"s3:x-amz-storage-class": ["GLACIER", "DEEP_ARCHIVE"]}},
    ],
    ids=["SSE-C", "archives"],
)
def test_bucket_refuses_what_could_never_be_read(condition: dict[str, object]):
    policy = BUCKET_POLICIES["BucketPolicy"]
    [denied] = [s for s in policy["PolicyDocument"]["Statement"] if s["Condition"] == condition]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:PutObject")
    assert denied["Resource"] == {"Fn::Sub": "${Bucket.Arn}/*"}


def test_table_is_encrypted_and_can_be_restored_to_any_second():
    assert TABLE["SSESpecification"] == {"SSEEnabled": True}
    assert TABLE["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_table_forgets_claims_by_the_attribute_that_the_code_writes():
    assert TABLE["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}


@pytest.mark.parametrize("name", properties("AWS::SQS::Queue"))
def test_queue_is_encrypted_and_a_failed_message_is_kept_for_a_week_at_least(name: str):
    """A message keeps its age when it is moved (SQS, "Setting-up dead-letter queue retention")."""
    queue = properties("AWS::SQS::Queue")[name]
    assert queue["SqsManagedSseEnabled"] is True
    days = 14 if name.endswith("FailureQueue") else 7
    assert queue["MessageRetentionPeriod"] == days * 24 * 3600


@pytest.mark.parametrize("name", properties("AWS::Logs::LogGroup"))
def test_logs_are_kept_for_90_days_also_of_a_deleted_stack(name: str):
    assert properties("AWS::Logs::LogGroup")[name]["RetentionInDays"] == 90
    assert template()["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_topic_of_the_on_call_lets_alarms_in_of_this_account_only():
    """An alarm can't publish to a topic that is encrypted by SNS's own key."""
    assert "KmsMasterKeyId" not in properties("AWS::SNS::Topic")["OnCallTopic"]
    policy = properties("AWS::SNS::TopicPolicy")["OnCallTopicPolicy"]
    [allowed] = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_topic_for_what_happened_to_batches_lets_no_service_in():
    policy = properties("AWS::SNS::TopicPolicy")["TopicPolicy"]
    assert [s["Effect"] for s in policy["PolicyDocument"]["Statement"]] == ["Deny"]


def test_no_secret_stands_in_the_template():
    [secret] = properties("AWS::SecretsManager::Secret").values()
    assert "SecretString" not in secret
    texts = [node for node in walk(template()) if isinstance(node, str)]
    assert not [text for text in texts if "{{resolve:" in text]
