"""A bucket as S3 has it, by moto: it demands signatures, and is read by boto3. Ends when its input does.

First tells, as one line of JSON, its address and a key that may use it. Then answers each line of its input, a list whose
first word is one of these, by a line:
  read BUCKET KEY    SHA-256 and length of an object
  put BUCKET KEY     makes an object of three bytes
  keys BUCKET        what stands there
  parts BUCKET       uploads that were begun and not ended
"""

import hashlib
import json
import os
import sys

# As many calls as follow before there is a key to sign them with.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
sys.stderr = open(os.devnull, "w")
server.start()
url = "http://%s:%d" % server.get_host_and_port()


def client(kind, key="none", secret="none"):
    return boto3.client(kind, endpoint_url=url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)


iam = client("iam")
iam.create_user(UserName="fleet")
statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
iam.put_user_policy(UserName="fleet", PolicyName="all", PolicyDocument=policy)
made = iam.create_access_key(UserName="fleet")["AccessKey"]
client("s3").create_bucket(Bucket="clips")
s3 = client("s3", made["AccessKeyId"], made["SecretAccessKey"])
print(json.dumps({"url": url, "id": made["AccessKeyId"], "secret": made["SecretAccessKey"]}), flush=True)

for line in sys.stdin:
    match json.loads(line):
        case ["read", bucket, key]:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            answer = [hashlib.sha256(body).hexdigest(), len(body)]
        case ["put", bucket, key]:
            answer = s3.put_object(Bucket=bucket, Key=key, Body=b"abc")["ETag"]
        case ["keys", bucket]:
            answer = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        case ["parts", bucket]:
            answer = [found["Key"] for found in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
    print(json.dumps(answer), flush=True)
