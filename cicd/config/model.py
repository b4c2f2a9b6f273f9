"""The model of `headgate.yaml` (version 1).

Parsed once, at the edge; unknown keys are errors. Every field has a unit in its name where it has one. Secrets are
never fields: they come from `HEADGATE_*` environment variables or files (see `docs/configuration.md`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cicd.config import places
from cicd.config.analysis import AnalysisConfig
from cicd.config.dags import DagsConfig
from cicd.config.section import Name, Section, Url


class ForgeConfig(Section):
    """Where merge requests live."""

    kind: Literal["gitlab"] = "gitlab"
    """Which forge; token in HEADGATE_GITLAB_TOKEN (else CI_JOB_TOKEN, where GitLab allows it)."""
    url: Url
    """Base URL of the forge."""
    project: str
    """Full path of the project, or its numeric id."""


class UnitGateConfig(Section):
    """The repository's own tests."""

    command: tuple[str, ...] = ("python", "-m", "pytest", "-q")
    """The command without paths; a JUnit report is asked of pytest in addition. `python` is the running interpreter."""
    paths: tuple[str, ...] = ("tests",)
    """Test paths appended to the command, relative to the repository root."""
    timeout_s: float = Field(default=900.0, gt=0)
    """After this the tests are ended and the gate is ERROR."""


class QualityGateConfig(Section):
    """One Great Expectations suite on one batch of data, or a comparison of that data with the base's, or both."""

    name: Name
    """Stable name of the check in reports."""
    suite: str | None = None
    """Path of the Great Expectations 1.x suite (JSON), relative to the repository root."""
    data: str
    """Path or glob of the data files (Parquet, CSV, JSON lines), relative to the repository root; or a database's URL."""
    table: str | None = None
    """Table to check, where `data` is a database (`schema.table`)."""
    paths: tuple[str, ...] = ()
    """Globs of what this data is made from; a merge request that changes none of them, nor the suite, skips the check."""
    dbt: str | None = None
    """dbt model (name or unique id) that makes this data: its files and those of all it depends on count as `paths`."""
    dbt_manifest: str = "target/manifest.json"
    """Manifest that dbt has written of this commit, in the folder `target` of the dbt project."""
    engine: Literal["headgate", "great_expectations"] = "headgate"
    """Who judges: `headgate` plans the whole suite as few queries, `great_expectations` is Great Expectations on pandas."""
    build: tuple[str, ...] = ()
    """Command that builds the data first, run once per distinct command; `python` is the running interpreter."""
    key: tuple[str, ...] = ()
    """Columns that identify a row; reports show them as they are beside each failing row."""
    reveal: tuple[str, ...] = ()
    """Columns whose failing values reports may show; values of all others are masked to their shape."""
    allow_empty: bool = False
    """Whether a batch without rows may pass; by default it fails."""
    memory_limit_mb: int | None = Field(default=None, ge=64)
    """Memory the engine may use in MiB before it spills to disk; by default most of what the machine has."""
    max_bytes: int | None = Field(default=None, gt=0)
    """Bytes a query may read where the engine can say so beforehand (BigQuery); a dearer one is not run."""
    sample: float | None = Field(default=None, gt=0, lt=1)
    """Share of the rows that the suite looks at; files and PostgreSQL. What fails there fails, what passes is undecided."""
    sample_passes: bool = False
    """Whether a sample in which everything holds passes."""
    quarantine: str = ""
    """Folder for a Parquet file of the rows that failed, an artifact of the job; columns not in `key` or `reveal` are masked."""
    timeout_s: float = Field(default=600.0, gt=0)
    """After this the check is ended and is ERROR."""
    compare: Literal["base"] | None = None
    """`base`: `data` as `build` makes it is compared with what the build of the base commit makes of the same input."""
    inputs: tuple[str, ...] = ()
    """Files and folders that the build reads and Git does not hold; the base's build gets copies of them."""
    allow_new: bool = False
    """Whether the base may have no such data, as with a table that is new; by default nothing is known then."""
    max_changed_ratio: float = Field(default=0.0, ge=0, le=1)
    """Share of the keys on both sides whose rows may differ. Matched by `key`, else by a column unique on both sides."""
    max_lost_ratio: float = Field(default=0.0, ge=0, le=1)
    """Keys that may be in the base only, relative to the base's keys."""
    max_added_ratio: float = Field(default=0.0, ge=0)
    """Keys that may be in head only, relative to the base's keys."""
    max_duplicated_ratio: float = Field(default=0.0, ge=0, le=1)
    """Share of head's rows that may share their key with another row; as many as in the base always may."""
    max_shift: float | None = Field(default=None, ge=0)
    """Largest population stability index of any column; 0.25 is commonly called a major shift. Not judged by default."""
    segment: str | None = None
    """Column whose values divide the rows for aggregates; its values are shown."""
    max_segment_ratio: float | None = Field(default=None, ge=0)
    """Largest relative change of rows or of a sum in any segment. Not judged by default."""
    schema_changes: Literal["none", "compatible", "any"] = "none"
    """Which changes of columns pass; `compatible`: new columns and wider types."""
    ignore: tuple[str, ...] = ()
    """Columns left out of the comparison, such as a time of loading."""
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    """Relative difference of floating-point numbers that is none."""

    @model_validator(mode="after")
    def _something(self) -> QualityGateConfig:
        if self.suite is None and self.compare is None:
            raise ValueError("name a suite, or set compare: base")
        if self.compare is not None and not self.build:
            raise ValueError("compare: base needs a build, the command that makes the data at head and at the base")
        if self.compare is not None and "://" in self.data:
            raise ValueError("compare: base compares files; data is a database here")
        if self.sample is not None and self.engine == "great_expectations":
            raise ValueError("sample needs engine: headgate; Great Expectations reads all rows")
        if self.sample_passes and self.sample is None:
            raise ValueError("sample_passes is about a sample: set sample")
        if self.quarantine and (self.suite is None or self.engine == "great_expectations"):
            raise ValueError("quarantine needs a suite and engine: headgate")
        alone = sorted(_COMPARING & self.model_fields_set) if self.compare is None else []
        if alone:
            raise ValueError(f"{', '.join(alone)}: only with compare: base")
        return self


_COMPARING = {
    "inputs",
    "allow_new",
    "max_changed_ratio",
    "max_lost_ratio",
    "max_added_ratio",
    "max_duplicated_ratio",
    "max_shift",
    "segment",
    "max_segment_ratio",
    "schema_changes",
    "ignore",
    "tolerance",
}


class DagGateConfig(Section):
    """Static integrity of the Airflow DAG files."""

    path: str = "dags"
    """Folder of the DAG files, relative to the repository root."""
    airflow: Literal["2", "3"] = "3"
    """Major version of Airflow; decides the syntax of `.airflowignore`."""
    require: tuple[Literal["owner", "start_date", "tags", "retries", "schedule"], ...] = (
        "owner",
        "start_date",
    )
    """What every DAG must set, itself or in default_args."""


class GatesConfig(Section):
    """What a change must pass; a gate that is not configured is not run and not claimed."""

    unit: UnitGateConfig | None = None
    quality: tuple[QualityGateConfig, ...] = ()
    dags: DagGateConfig | None = None

    @model_validator(mode="after")
    def _unique(self) -> GatesConfig:
        names = [check.name for check in self.quality]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"quality checks share a name: {', '.join(twice)}")
        return self


class ArgoCdConfig(Section):
    """The Argo CD application that deploys the service."""

    mode: Literal["server", "core"] = "server"
    """`server` asks Argo CD's API; `core` needs no Argo CD server and works on the Application in the cluster."""
    url: Url | None = None
    """Base URL of the Argo CD server, required in mode `server`; token in HEADGATE_ARGOCD_TOKEN."""
    app: str
    """Application name."""
    project: str = "default"
    """AppProject of the application; always sent, because Argo CD answers 403 for a missing application without it."""
    namespace: str | None = None
    """Namespace of the Application resource, for applications in any namespace; in mode `core` by default `argocd`."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Bound of one request; `refresh` blocks until Argo CD has reconciled."""

    @model_validator(mode="after")
    def _url_fits_mode(self) -> ArgoCdConfig:
        if self.mode == "server" and self.url is None:
            raise ValueError("give url, the Argo CD server; or set mode: core to work without one")
        if self.mode == "core" and self.url is not None:
            raise ValueError("mode core asks no Argo CD server: remove url")
        return self


class GitOpsConfig(Section):
    """The place in Git that says which version runs."""

    repo: str
    """URL or path of the GitOps repository."""
    branch: str = "main"
    """Branch that Argo CD follows."""
    file: str
    """File that holds the version, relative to the repository root."""
    key: str
    """Dotted path of the version in that file (`image.tag`, `spec.template.spec.containers[0].image`)."""


class KubernetesConfig(Section):
    """The workload in its cluster."""

    namespace: str
    """Namespace of the workload."""
    rollout: str
    """Name of the Rollout resource."""
    kubeconfig: str | None = None
    """Path of a kubeconfig; default $KUBECONFIG, then in-cluster. Needed by `argocd.mode: core`, `lock: lease` and the `openmetrics` source."""
    context: str | None = None
    """Context in the kubeconfig; default its current one."""


class CanaryConfig(Section):
    """Step by step, each step passing its analysis before the next."""

    analysis: tuple[Name, ...] = Field(min_length=1)
    """Names of entries of `analysis` that every step must pass before the next."""
    steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = ()
    """Weights that are expected in the Rollout's steps; empty: whatever the Rollout says."""
    max_step_s: float = Field(default=1800.0, gt=0)
    """A step that is neither passed nor failed by then is INCONCLUSIVE and the release is aborted."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """The chance, over all tested metrics and all steps together, that a version no worse than tolerated is aborted."""
    beta: float = Field(default=0.05, gt=0, lt=1)
    """The chance that a version worse than the margin of a tested metric passes a step."""


class BlueGreenConfig(Section):
    """Analyse the preview, switch, soak, and only then let the old colour go."""

    analysis: tuple[Name, ...] = Field(min_length=1)
    """Analysis of the preview before the switch."""
    soak: tuple[Name, ...] = ()
    """Analysis of the active version after the switch, while the old colour still stands."""
    max_step_s: float = Field(default=1800.0, gt=0)
    """An analysis that has neither passed nor failed by then is INCONCLUSIVE and the release is aborted."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """The chance, over all tested metrics and all steps together, that a version no worse than tolerated is aborted."""
    beta: float = Field(default=0.05, gt=0, lt=1)
    """The chance that a version worse than the margin of a tested metric passes a step."""


class StrategyConfig(Section):
    """Exactly one of `canary` and `blue_green`."""

    canary: CanaryConfig | None = None
    blue_green: BlueGreenConfig | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> StrategyConfig:
        if (self.canary is None) == (self.blue_green is None):
            raise ValueError("give exactly one of canary and blue_green")
        return self


class ServiceConfig(Section):
    """How one service is rolled out in one environment."""

    argocd: ArgoCdConfig
    gitops: GitOpsConfig
    kubernetes: KubernetesConfig
    strategy: StrategyConfig
    lock: Literal["git", "lease"] = "git"
    """Where the lock is kept that two releases at once are told apart by: a ref in the GitOps repository, or a Lease in `kubernetes.namespace`."""
    deadline_s: float = Field(default=3600.0, gt=0)
    """The whole rollout must have settled by then; afterwards it is turned back."""
    poll_s: float = Field(default=2.0, gt=0)
    """Pause between two observations."""


class EnvironmentConfig(Section):
    """An environment, such as `prod`."""

    services: dict[Name, ServiceConfig]
    """Services by name."""


class JenkinsConfig(Section):
    """The job that runs releases for `headgate release start --on jenkins`."""

    url: Url
    """Base URL of the controller; user in HEADGATE_JENKINS_USER, API token in HEADGATE_JENKINS_TOKEN."""
    job: str
    """Full name of the delivery job."""
    timeout_s: float = Field(default=3600.0, gt=0)
    """How long to wait for the build, queue included."""


class DeployConfig(Section):
    """Rollouts of services."""

    jenkins: JenkinsConfig | None = None
    environments: dict[Name, EnvironmentConfig]
    """Environments by name."""


class ObservabilityConfig(Section):
    """Where events, metrics and traces go."""

    store: str = places.STORE
    """SQLAlchemy URL of the event store; a relative SQLite path counts from the folder of headgate.yaml."""
    otlp_endpoint: Url | None = None
    """OTLP over HTTP; None sends nothing."""
    traces: Literal["none", "console", "otlp"] = "none"
    """Where the trace of a change goes."""
    time_zone: str = "UTC"
    """IANA zone in which days and weeks of reports are counted."""
    repositories: dict[str, str] = Field(default_factory=dict)
    """Where the commits of services are, by service or pattern: a URL or a folder. For `headgate dora ranges`."""
    week_start: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    """First day of the weeks of reports."""
    teams: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The services of each team, by name or pattern such as `checkout-*`; empty: as the deployments say."""
    paths: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Path patterns of services that share a repository: commits that touch none of them are not the service's."""


class Config(Section):
    """The whole of `headgate.yaml`."""

    version: Literal[1]
    """Version of this format."""
    project: str
    """Name of the repository being released, used in events and reports."""
    forge: ForgeConfig | None = None
    gates: GatesConfig = GatesConfig()
    dags: DagsConfig | None = None
    deploy: DeployConfig | None = None
    analysis: dict[Name, AnalysisConfig] = Field(default_factory=dict)
    """Metrics by name, used by the strategies of services."""
    observability: ObservabilityConfig = ObservabilityConfig()

    @model_validator(mode="after")
    def _analysis_names_exist(self) -> Config:
        environments = self.deploy.environments if self.deploy else {}
        for environment, settings in environments.items():
            for service, target in settings.services.items():
                strategy = target.strategy.canary or target.strategy.blue_green
                wanted = (*strategy.analysis, *getattr(strategy, "soak", ())) if strategy else ()
                unknown = sorted(set(wanted) - set(self.analysis))
                if unknown:
                    raise ValueError(
                        f"deploy.environments.{environment}.services.{service} uses analysis {', '.join(unknown)},"
                        f" but only these are defined: {', '.join(sorted(self.analysis)) or 'none'}"
                    )
        return self

    @model_validator(mode="after")
    def _soak_can_be_judged(self) -> Config:
        environments = self.deploy.environments if self.deploy else {}
        for environment, settings in environments.items():
            for service, target in settings.services.items():
                soak = target.strategy.blue_green.soak if target.strategy.blue_green else ()
                for name in soak:
                    entry = self.analysis.get(name)
                    if entry is not None and entry.rule == "test" and entry.baseline != "history":
                        raise ValueError(
                            f"deploy.environments.{environment}.services.{service} soaks with {name}, which compares two"
                            " versions, but after the switch only one has traffic: use a metric with max_ratio or conditions"
                        )
        return self
