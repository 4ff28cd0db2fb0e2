// What should wake somebody. Requests are never sampled away (host.json), so counting them is exact.
param location string
param tags object
param namePrefix string
param actionGroupName string
param emails string[]
param enabled bool
param workspaceId string
param functionAppName string
param queueServiceId string
param serverErrorPercent int
param queueBacklog int

var ofThisApp = '| where AppRoleName =~ "${functionAppName}"'

// One row is one reason to alert, but for the last rule, which alerts where there is no row.
var rules = [
  {
    name: 'refit-failed'
    title: 'A refit or a job failed'
    description: 'An attempt of refit_dataset or do_job failed, or the worker logged that a run ended as failed. The previous curves are still in use; the record of the run has the reason.'
    severity: 2
    query: join(
      [
        'union isfuzzy=true AppRequests, AppTraces, AppExceptions'
        ofThisApp
        '| where OperationName == "refit_dataset" or OperationName == "do_job"'
        '| where (Type == "AppRequests" and Success == false) or SeverityLevel >= 3'
        '| summarize Messages = make_set(Message, 5) by OperationId'
      ],
      '\n'
    )
    every: 'PT15M'
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'refit-poisoned'
    title: 'A message reached the poison queue'
    description: 'A refit or a job was given up after its last try: fail_poisoned_refit or fail_poisoned_job ran, which only messages of the poison queues start.'
    severity: 1
    query: join(
      [
        'AppRequests'
        ofThisApp
        '| where OperationName == "fail_poisoned_refit" or OperationName == "fail_poisoned_job"'
      ],
      '\n'
    )
    every: 'PT15M'
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'server-errors'
    title: 'HTTP answers with a status of 500 or more'
    description: 'More than the allowed share of at least 20 requests failed on our side.'
    severity: 2
    query: join(
      [
        'AppRequests'
        ofThisApp
        '| extend Status = toint(ResultCode)'
        '| where Status >= 100'
        '| summarize Requests = count(), Failed = countif(Status >= 500)'
        '| where Requests >= 20 and Failed * 100.0 / Requests >= ${serverErrorPercent}'
      ],
      '\n'
    )
    every: 'PT5M'
    window: 'PT15M'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'nightly-missing'
    title: 'No nightly refit for two days'
    description: 'The timer nightly_refit has not succeeded within 48 hours. Curves grow old without an error anywhere.'
    severity: 2
    query: join(
      [
        'AppRequests'
        ofThisApp
        '| where OperationName == "nightly_refit" and Success == true'
      ],
      '\n'
    )
    every: 'PT6H'
    window: 'P2D'
    operator: 'LessThan'
    threshold: 1
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  // Action groups have no region.
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'marginal'
    enabled: true
    emailReceivers: [
      for email in emails: {
        name: email
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for rule in rules: {
    name: '${namePrefix}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.title
      description: rule.description
      severity: rule.severity
      enabled: enabled
      scopes: [
        workspaceId
      ]
      evaluationFrequency: rule.every
      windowSize: rule.window
      // The tables appear with the first telemetry, after this deployment.
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [
          people.id
        ]
      }
    }
  }
]

// Azure counts the messages of all queues together, about once an hour: good for a backlog that
// stays, useless for a single poison message. That is the log rule's job.
resource backlogAlert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${namePrefix}-queue-backlog'
  location: 'global'
  tags: tags
  properties: {
    description: 'Refits are queued faster than they are done, or nothing does them.'
    severity: 2
    enabled: enabled
    scopes: [
      queueServiceId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT6H'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'messages'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.Storage/storageAccounts/queueServices'
          metricName: 'QueueMessageCount'
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: queueBacklog
        }
      ]
    }
    actions: [
      {
        actionGroupId: people.id
      }
    ]
  }
}
